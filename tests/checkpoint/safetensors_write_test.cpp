#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "checkpoint/safetensors_bytes.h"
#include "shardopt/checkpoint/safetensors.h"
#include "shardopt/core/error.h"
#include "support/scratch_dir.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;

class SafetensorsWriteTest : public testing::Test {
 protected:
  const fs::path path() const { return scratch_.path() / "model.safetensors"; }
  const fs::path& folder() const { return scratch_.path(); }

  int64_t files() const {
    return std::distance(fs::directory_iterator(folder()), fs::directory_iterator());
  }
  std::string failure(const fs::path& target, const SafetensorsFile& contents) {
    try {
      write_safetensors(target, contents);
    } catch (const CheckpointError& error) {
      return error.what_without_backtrace();
    }
    return "no failure";
  }

 private:
  const test::ScratchDir scratch_;
};

void expect_same_bytes(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor dense = expected.contiguous();
  ASSERT_EQ(actual.scalar_type(), dense.scalar_type());
  ASSERT_EQ(actual.sizes(), dense.sizes());
  if (dense.nbytes() == 0) return;
  EXPECT_EQ(
      std::memcmp(actual.const_data_ptr(), dense.const_data_ptr(), dense.nbytes()), 0);
}

// One limit for the length of files, lifted on destruction: writing beyond it fails.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = SIG_DFL;
};

TEST_F(SafetensorsWriteTest, ReadsBackEveryDtypeBitForBit) {
  SafetensorsFile contents;
  const at::Tensor bytes = at::randint(0, 256, {16}, at::kByte);
  for (const auto dtype :
       {at::kByte, at::kChar, at::kShort, at::kUInt16, at::kHalf, at::kBFloat16,
        at::kInt, at::kUInt32, at::kFloat, at::kLong, at::kUInt64, at::kDouble,
        at::kComplexFloat, at::kFloat8_e4m3fn, at::kFloat8_e5m2, at::kFloat8_e8m0fnu}) {
    contents.tensors[at::toString(dtype)] = bytes.view(dtype);
  }
  contents.tensors["Bool"] = at::tensor({1, 0, 1}).to(at::kBool);

  write_safetensors(path(), contents);
  const SafetensorsFile read = read_safetensors(path());

  ASSERT_EQ(read.tensors.size(), 17u);
  for (const auto& [name, tensor] : contents.tensors) {
    SCOPED_TRACE(name);
    expect_same_bytes(read.tensors.at(name), tensor);
  }
}

TEST_F(SafetensorsWriteTest, KeepsNanPayloadsInfinitiesAndNegativeZero) {
  const at::Tensor bits =
      at::tensor({0x7fc12345, 0x7f800001, 0x7f800000, 0x00000001}, at::kInt);
  const at::Tensor special = at::cat({bits.view(at::kFloat), at::tensor({-0.0F})});

  write_safetensors(path(), {.tensors = {{"special", special}}});

  expect_same_bytes(read_safetensors(path()).tensors.at("special"), special);
}

TEST_F(SafetensorsWriteTest, ReadsBackScalarsEmptyTensorsAndViews) {
  const at::Tensor matrix = at::arange(12, at::kFloat).view({3, 4});
  const SafetensorsFile contents{
      .tensors = {{"scalar", at::tensor(7.5, at::kDouble).squeeze()},
                  {"empty", at::empty({0, 3})},
                  {"middle", at::empty({2, 0, 5}, at::kHalf)},
                  {"transposed", matrix.t()},
                  {"column", matrix.select(1, 2)},
                  {"expanded", at::ones({1}).expand({4})}}};
  write_safetensors(path(), contents);
  const SafetensorsFile read = read_safetensors(path());

  ASSERT_EQ(read.tensors.size(), contents.tensors.size());
  for (const auto& [name, tensor] : contents.tensors) {
    SCOPED_TRACE(name);
    expect_same_bytes(read.tensors.at(name), tensor);
  }
  EXPECT_EQ(read.tensors.at("scalar").dim(), 0);
}

TEST_F(SafetensorsWriteTest, WritesTensorsThatRequireGradientsAndConjugates) {
  at::Tensor weight = at::ones({2, 2});
  weight.requires_grad_(true);
  const at::Tensor real = at::tensor({1.0F, 2.0F});
  const at::Tensor conjugate = at::complex(real, real).conj();

  write_safetensors(path(), {.tensors = {{"weight", weight}, {"conj", conjugate}}});
  const SafetensorsFile read = read_safetensors(path());

  EXPECT_FALSE(read.tensors.at("weight").requires_grad());
  EXPECT_TRUE(at::equal(at::imag(read.tensors.at("conj")), real.neg()));
}

TEST_F(SafetensorsWriteTest, ReadsBackMetadataAndOddNames) {
  const SafetensorsFile contents{
      .tensors = {{"a \"quoted\"\\\n\tname", at::ones({1})},
                  {"größe/λ", at::ones({2})}},
      .metadata = {{"format", "pt"}, {"note", "two\nlines"}}};

  write_safetensors(path(), contents);
  const SafetensorsFile read = read_safetensors(path());

  EXPECT_EQ(read.metadata, contents.metadata);
  EXPECT_TRUE(read.tensors.contains("a \"quoted\"\\\n\tname"));
  EXPECT_TRUE(read.tensors.contains("größe/λ"));
}

// 8 bytes of length, so a header of 4088, 8184, ... bytes. Here the JSON alone has more
// than 4096 bytes, and the data 3 x 8 + 2 x 4 + 5 x 1 = 37.
TEST_F(SafetensorsWriteTest, StartsDataAtAMultipleOf4096WithLargeDtypesFirst) {
  write_safetensors(path(), {.tensors = {{"bytes", at::zeros({5}, at::kByte)},
                                         {"a_float", at::zeros({2})},
                                         {"longs", at::zeros({3}, at::kLong)}},
                             .metadata = {{"filler", std::string(5000, 'x')}}});
  const std::string bytes = test::read_bytes(path());

  ASSERT_EQ(bytes.size(), 8192u + 37u);
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  EXPECT_EQ(length, 8184u);
  EXPECT_EQ(bytes[8], '{');
  EXPECT_EQ(bytes[8191], ' ');
  const auto header = nlohmann::json::parse(bytes.substr(8, length));
  EXPECT_EQ(header["longs"]["data_offsets"], nlohmann::json({0, 24}));
  EXPECT_EQ(header["a_float"]["data_offsets"], nlohmann::json({24, 32}));
  EXPECT_EQ(header["bytes"]["data_offsets"], nlohmann::json({32, 37}));
}

TEST_F(SafetensorsWriteTest, WritesAFileWithoutTensors) {
  write_safetensors(path(), {});
  EXPECT_EQ(fs::file_size(path()), 4096u);
  EXPECT_TRUE(read_safetensors(path()).tensors.empty());
}

TEST_F(SafetensorsWriteTest, ReplacesAFileAndLeavesNoOther) {
  write_safetensors(path(), {.tensors = {{"old", at::ones({1000})}}});
  write_safetensors(path(), {.tensors = {{"new", at::ones({1})}}});

  EXPECT_TRUE(read_safetensors(path()).tensors.contains("new"));
  EXPECT_EQ(files(), 1);
}

TEST_F(SafetensorsWriteTest, KeepsTheOldFileWhenTheDiskFails) {
  write_safetensors(path(), {.tensors = {{"old", at::ones({1})}}});
  {
    const FileSizeLimit limit(100'000);
    EXPECT_EQ(failure(path(), {.tensors = {{"new", at::ones({100'000})}}}),
              path().string() + ": writing failed: File too large");
  }

  EXPECT_TRUE(read_safetensors(path()).tensors.contains("old"));
  EXPECT_EQ(files(), 1);
}

TEST_F(SafetensorsWriteTest, NamesThePathWhenItsFolderIsMissing) {
  const fs::path target = folder() / "absent" / "model.safetensors";
  EXPECT_EQ(failure(target, {}), target.string() +
                                     ": creating a file in its folder failed: No such "
                                     "file or directory");
}

TEST_F(SafetensorsWriteTest, RefusesToReplaceAFolder) {
  fs::create_directory(path());
  EXPECT_EQ(failure(path(), {}), path().string() + ": rename failed: Is a directory");
  EXPECT_EQ(files(), 1);
}

TEST_F(SafetensorsWriteTest, RefusesTensorsThatTheFormatLacks) {
  const at::Tensor complex = at::zeros({1}, at::kComplexDouble);
  const at::Tensor sparse = at::eye(3).to_sparse();
  const std::string prefix = path().string() + ": tensor w ";

  EXPECT_EQ(failure(path(), {.tensors = {{"w", at::Tensor()}}}),
            prefix + "is undefined");
  EXPECT_TRUE(failure(path(), {.tensors = {{"w", complex}}})
                  .starts_with(prefix + "has dtype ComplexDouble; allowed: BOOL, U8"));
  EXPECT_EQ(failure(path(), {.tensors = {{"w", sparse}}}),
            prefix + "is not dense; allowed: dense tensors with data");
  EXPECT_EQ(failure(path(), {.tensors = {{"w", at::empty({2}, at::kMeta)}}}),
            prefix + "is on device meta; allowed: dense tensors with data");
  EXPECT_EQ(files(), 0);
}

TEST_F(SafetensorsWriteTest, RefusesNamesThatTheFormatLacks) {
  const at::Tensor one = at::ones({1});
  EXPECT_EQ(failure(path(), {.tensors = {{"__metadata__", one}}}),
            path().string() + ": no tensor may be named __metadata__");
  EXPECT_EQ(failure(path(), {.tensors = {{std::string("a\0b", 3), one}}}),
            path().string() + ": a name or text holds a NUL: \"a\"...");
  EXPECT_EQ(failure(path(), {.tensors = {{"a\xff", one}}}),
            path().string() + ": a name or text is not UTF-8: \"a\\ufffd\"");
  EXPECT_EQ(files(), 0);
}

}  // namespace
}  // namespace shardopt::checkpoint
