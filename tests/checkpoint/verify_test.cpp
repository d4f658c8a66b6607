#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/safetensors_bytes.h"
#include "checkpoint/save_cases.h"
#include "checkpoint/state_cases.h"
#include "checkpoint/step_case.h"
#include "frame.h"
#include "manifest_codec.h"
#include "safetensors_header.h"
#include "shardopt/checkpoint/inspect.h"
#include "shardopt/core/crc32c.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"
#include "support/thread_meshes.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;
using test::failure_of;

class VerifyTest : public testing::Test {
 protected:
  fs::path root() const { return scratch_.path(); }
  fs::path step() const { return root() / step_folder_name(1); }

  // Three shard ranks in two copies.
  void save_everything() const {
    test::run_mesh_ranks({.shard = 3, .replicate = 2}, [&](const auto& mesh) {
      save(root(), 1, make_state(3, mesh.shard().rank(), 1, mesh.rank()), mesh,
           {.block_bytes = 1 << 16});
    });
  }

  // Puts `header` in front of rank 1's data, and its CRC into MANIFEST: what a writer
  // with a defect would leave.
  void forge_header(const std::string& header) const {
    const fs::path path = data_path(step(), 1);
    std::string bytes = test::read_bytes(path);
    ASSERT_EQ(header.size(), 4096U);
    bytes.replace(0, header.size(), header);
    test::write_bytes(path, bytes);
    Manifest manifest = open_step(step(), posix_file_system()).manifest;
    manifest.files.at(1).header_crc = crc32c(header.data(), header.size());
    test::write_bytes(step() / kManifestName, add_frame(encode_manifest(manifest)));
  }

 private:
  const test::ScratchDir scratch_{memory_folder()};
};

TEST_F(VerifyTest, ReadsEveryByteOfASoundStepAndTellsHowFarItIs) {
  save_everything();
  const Manifest manifest = open_step(step(), posix_file_system()).manifest;
  for (const int threads : {1, 3}) {
    int64_t last = 0;
    const auto progress = [&](int64_t done, int64_t total) {
      EXPECT_GT(done, last);
      EXPECT_EQ(total, manifest.total_data_bytes);
      last = done;
    };
    verify_step(step(), posix_file_system(), threads, progress);
    EXPECT_EQ(last, manifest.total_data_bytes);
  }
}

TEST_F(VerifyTest, NamesFileTensorAndOffsetOfWhatIsWrong) {
  save_even_step(root(), 1);
  const fs::path path = data_path(step(), 1);
  test::flip_bit(path, 4096 + kEvenBlock, 3);
  const std::string failure = verify_failure(step());
  EXPECT_TRUE(failure.starts_with("corrupt: " + path.string() +
                                  ": bytes 69632 to 135168 (tensor 'w', "))
      << failure;
}

TEST_F(VerifyTest, FindsAHeaderThatSaysOtherThanTheManifest) {
  save_even_step(root(), 1);
  const std::string bytes = test::read_bytes(data_path(step(), 1));
  const std::vector<std::pair<std::string, std::string>> changes{
      {"\"w\"", "\"v\""},
      {"\"U8\"", "\"I8\""},
      {"[512,256]", "[256,512]"},
      {"\"shardopt_rank\":\"1\"", "\"shardopt_rank\":\"0\""},
      {"\"shardopt_step\":\"1\"", "\"shardopt_step\":\"2\""},
      {"\"shardopt_attempt\"", "\"shardopt_attempT\""}};
  for (const auto& [from, to] : changes) {
    std::string header = bytes.substr(0, 4096);
    const std::size_t at = header.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << header.substr(8);
    forge_header(header.replace(at, from.size(), to));
    const std::string failure = verify_failure(step());
    EXPECT_TRUE(failure.starts_with("corrupt: ")) << failure;
    EXPECT_TRUE(failure.ends_with(
        "rank-00001.safetensors: its header and MANIFEST say different things"))
        << failure;
  }
}

TEST_F(VerifyTest, NamesTheFileOfAHeaderThatIsNone) {
  save_even_step(root(), 1);
  const fs::path path = data_path(step(), 1);
  std::string header = test::read_bytes(path).substr(0, 4096);
  header[8] = '[';
  forge_header(header);
  EXPECT_EQ(verify_failure(step()),
            "corrupt: " + path.string() + ": the header does not begin with '{'");
  header[8] = '{';
  header[0] = static_cast<char>(header[0] ^ 1);
  forge_header(header);
  EXPECT_EQ(
      verify_failure(step()),
      "corrupt: " + path.string() + ": its header has 4089 bytes, MANIFEST says 4088");
}

TEST_F(VerifyTest, RefusesNoThreads) {
  save_even_step(root(), 1);
  EXPECT_THROW(verify_step(step(), posix_file_system(), 0), c10::Error);
}

TEST_F(VerifyTest, EndsAtOnceWhenTheDiskFails) {
  save_everything();
  test::FaultFileSystem files;
  files.set_fault({.call = 30, .kind = test::FileCall::kPread, .error = EIO});
  const std::string failure = failure_of([&] { verify_step(step(), files, 3, {}); });
  EXPECT_TRUE(failure.starts_with("storage: ")) << failure;
  EXPECT_LT(files.calls(test::FileCall::kPread), 40);
}

// -- One tensor

TEST_F(VerifyTest, ReadsEachTensorWhole) {
  save_everything();
  const Manifest manifest = open_step(step(), posix_file_system()).manifest;
  for (const CutCase& c : cut_cases()) {
    const at::Tensor read = read_tensor(step(), manifest, c.name, posix_file_system());
    EXPECT_EQ(read.sizes(), at::IntArrayRef(c.shape)) << c.name;
    EXPECT_EQ(read.scalar_type(), c.dtype) << c.name;
    const at::Tensor right = any_bytes(c.shape, c.dtype, c.name);
    EXPECT_TRUE(
        at::equal(read.view({-1}).view(at::kByte), right.view({-1}).view(at::kByte)))
        << c.name;
  }
  const at::Tensor scalar =
      read_tensor(step(), manifest, "optimizer/adamw/scalar", posix_file_system());
  EXPECT_EQ(scalar.dim(), 0);
}

TEST_F(VerifyTest, ReadsNoTensorThatIsDamagedOrNotThere) {
  save_even_step(root(), 1);
  const Manifest manifest = open_step(step(), posix_file_system()).manifest;
  const auto failure = [&](const std::string& name) {
    return failure_of(
        [&] { (void)read_tensor(step(), manifest, name, posix_file_system()); });
  };
  EXPECT_EQ(failure("w"), "no failure");
  EXPECT_EQ(failure("model/w"),
            "mismatch: " + step().string() + ": it has no tensor 'model/w'");
  test::flip_bit(data_path(step(), 0), 4096, 0);
  EXPECT_TRUE(failure("w").starts_with("corrupt: ")) << failure("w");
}

}  // namespace
}  // namespace shardopt::checkpoint
