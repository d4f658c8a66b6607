// One bit of a step is turned: loading and verifying both find it, whichever it is.
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "checkpoint/save_cases.h"
#include "checkpoint/step_case.h"
#include "support/scratch_dir.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;

class FlipTest : public testing::Test {
 protected:
  FlipTest() { save_even_step(root(), 1); }

  fs::path root() const { return scratch_.path(); }
  fs::path step() const { return root() / step_folder_name(1); }
  fs::path file(int rank) const { return data_path(step(), rank); }

  void flip_and_expect(const fs::path& path, int64_t byte, int bit) const {
    test::flip_bit(path, byte, bit);
    for (const std::string& failure : {load_failure(step()), verify_failure(step())}) {
      const bool is_found = failure.starts_with("corrupt: ") &&
                            failure.find(path.string()) != std::string::npos;
      EXPECT_TRUE(is_found) << "bit " << bit << " of byte " << byte << ": " << failure;
    }
    test::flip_bit(path, byte, bit);
  }

  // Every bit of bytes [begin, end).
  void flip_all(const fs::path& path, int64_t begin, int64_t end) const {
    for (int64_t byte = begin; byte < end && !HasFailure(); ++byte) {
      for (int bit = 0; bit < 8; ++bit) flip_and_expect(path, byte, bit);
    }
    expect_sound();
  }

  void expect_sound() const {
    EXPECT_EQ(load_failure(step()), "no failure");
    EXPECT_EQ(verify_failure(step()), "no failure");
  }

 private:
  const test::ScratchDir scratch_{memory_folder()};
};

TEST_F(FlipTest, EveryBitOfTheManifestIsFound) {
  const fs::path path = step() / kManifestName;
  flip_all(path, 0, static_cast<int64_t>(fs::file_size(path)));
}

TEST_F(FlipTest, EveryBitOfAHeaderIsFound) { flip_all(file(1), 0, 4096); }

TEST_F(FlipTest, ABitOfEvery64thByteOfDataIsFound) {
  for (const int rank : {0, 1}) {
    const fs::path path = file(rank);
    const auto end = static_cast<int64_t>(fs::file_size(path));
    for (int64_t byte = 4096; byte < end; byte += 64) {
      flip_and_expect(path, byte, static_cast<int>(byte / 64 % 8));
    }
  }
  expect_sound();
}

}  // namespace
}  // namespace shardopt::checkpoint
