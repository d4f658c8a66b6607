/// Ranks that save while the file system fails.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agree.h"
#include "checkpoint/failure_of.h"
#include "checkpoint/save_cases.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/distributed/small_messages.h"
#include "support/fault_file_system.h"
#include "support/thread_ranks.h"

namespace shardopt::checkpoint {

inline constexpr int kRanks = 2;
inline constexpr char kWorked[] = "no failure";

inline SaveOptions options_with(FileSystem& files) {
  return {.keep = 1,
          .lock_wait = std::chrono::seconds(0),
          .block_bytes = 1 << 16,
          .writer_threads = 1,
          .check_space = true,
          .files = &files};
}

/// Two ranks that save steps into one root, with faults.
class Saving {
 public:
  Saving(const std::filesystem::path& root, distributed::Communicator& ranks,
         test::FaultFileSystem& files)
      : ranks_(ranks), files_(files), checkpointer_(root, ranks, options_with(files)) {}

  /// The step's number is its value. What it throws, as text.
  std::string save(int64_t step) {
    const StateTree state = numbered_state(step, kRanks, ranks_.rank());
    return test::failure_of(
        [&] { warnings_ = checkpointer_.save(step, state).warnings; });
  }

  /// The same with a fault, for all ranks. Returns whether the fault has struck.
  bool save_with(const test::FileFault& fault, int64_t step, std::string& failure) {
    set_fault(fault);
    failure = save(step);
    EXPECT_EQ(failure, distributed::broadcast_text(ranks_, failure))
        << "rank " << ranks_.rank();
    const bool has_struck = files_.has_failed();
    set_fault({});
    return has_struck;
  }

  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  /// Looks at the root, on rank 0: the others wait for it at the next save.
  void look(const std::function<void()>& look) {
    if (ranks_.rank() == 0) look();
  }

  /// The newest step is this one, and nothing is left of any other attempt.
  void expect_clean(int64_t step) {
    look([&] {
      EXPECT_EQ(load_number(checkpointer_.root()), step);
      EXPECT_EQ(garbage_in(checkpointer_.root()), "");
    });
  }

 private:
  void set_fault(const test::FileFault& fault) {
    ranks_.barrier()->wait();
    if (ranks_.rank() == 0) files_.set_fault(fault);
    ranks_.barrier()->wait();
  }

  distributed::Communicator& ranks_;
  test::FaultFileSystem& files_;
  Checkpointer checkpointer_;
  std::vector<std::string> warnings_;
};

/// Runs `body` on two ranks over one root.
inline void with_saving(const std::filesystem::path& root, test::FaultFileSystem& files,
                        const std::function<void(Saving&)>& body) {
  test::run_thread_ranks(kRanks, [&](distributed::Communicator& ranks) {
    Saving saving(root, ranks, files);
    body(saving);
  });
}

}  // namespace shardopt::checkpoint
