// One call to the file system fails: which one and how, exhaustively. Two ranks save.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/faulty_saving.h"
#include "checkpoint/save_cases.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"

namespace shardopt::checkpoint {
namespace {

using test::FaultFileSystem;
using test::FileCall;
using test::FileFault;

const std::vector<int> kErrors{ENOSPC, EDQUOT, EIO, EACCES, EROFS, EMFILE, EINTR};

class SaveFaultTest : public testing::Test {
 protected:
  /// For every k until none strikes any more: a save whose k-th call fails, then one
  /// that works. `judge(failure)` looks at what the former threw.
  void fail_every_call(const FileFault& fault,
                       const std::function<void(const std::string&)>& judge) {
    std::filesystem::remove_all(root());
    with_saving(root(), files_, [&](Saving& saving) {
      ASSERT_EQ(saving.save(1), kWorked);
      FileFault next = fault;
      bool has_struck = true;
      int64_t good = 1;
      for (; has_struck; ++next.call) {
        SCOPED_TRACE(c10::str("call ", next.call));
        std::string failure;
        has_struck = saving.save_with(next, good + 1, failure);
        saving.look([&] {
          judge(failure);
          expect_loadable(good, failure == kWorked);
        });
        good += 2;
        EXPECT_EQ(saving.save(good), kWorked);
        saving.expect_clean(good);
      }
      EXPECT_GT(next.call, 80);
    });
  }

  /// After a save of `good` + 1 that may have failed: the last good one, or the next.
  void expect_loadable(int64_t good, bool has_worked) {
    const int64_t number = load_number(root());
    EXPECT_TRUE(number == good + 1 || (number == good && !has_worked)) << number;
    for (const std::string& step : committed_steps(root())) {
      EXPECT_FALSE(step.ends_with("!")) << step;
    }
  }

  std::filesystem::path root() const { return scratch_.path() / "root"; }

  FaultFileSystem files_;

 private:
  const test::ScratchDir scratch_{memory_folder()};
};

TEST_F(SaveFaultTest, EveryCallFailsOnceWithEveryError) {
  for (const int error : kErrors) {
    SCOPED_TRACE(std::strerror(error));
    fail_every_call({.error = error}, [&](const std::string& failure) {
      if (failure == kWorked) return;
      EXPECT_TRUE(failure.starts_with("storage: rank ")) << failure;
      EXPECT_TRUE(failure.ends_with(std::strerror(error))) << failure;
      if (error != EINTR) return;
      EXPECT_NE(failure.find(": cannot sync it: "), std::string::npos) << failure;
    });
  }
}

TEST_F(SaveFaultTest, EveryCallFailsForGood) {
  fail_every_call({.error = EIO, .goes_on = true}, [](const std::string& failure) {
    if (failure == kWorked) return;
    EXPECT_TRUE(failure.ends_with(std::strerror(EIO))) << failure;
  });
}

TEST_F(SaveFaultTest, ShortWritesGoOn) {
  with_saving(root(), files_, [&](Saving& saving) {
    bool has_struck = true;
    int64_t step = 1;
    for (int64_t call = 1; has_struck; ++call, ++step) {
      std::string failure;
      has_struck = saving.save_with(
          {.call = call, .kind = FileCall::kPwrite, .is_short = true}, step, failure);
      EXPECT_EQ(failure, kWorked);
      saving.expect_clean(step);
    }
    EXPECT_GT(step, 4);
  });
}

}  // namespace
}  // namespace shardopt::checkpoint
