// Saves that go on while the job trains.
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/save_cases.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/core/error.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"
#include "support/thread_ranks.h"

namespace shardopt::checkpoint {
namespace {

using distributed::Communicator;
using test::failure_of;
using test::FaultFileSystem;
using test::FileCall;

constexpr int kRanks = 2;

/// numbered_state with `mebibytes` of rows on each rank.
StateTree large_state(int64_t value, int rank, int64_t mebibytes) {
  StateTree state = numbered_state(value, kRanks, rank);
  const int64_t rows = mebibytes * 1024;
  const Shard shard(distributed::chunk_offsets(kRanks * rows, kRanks), rank);
  const at::Tensor held = at::full({rows, 256}, static_cast<double>(value), at::kFloat);
  state.children.at("model").tensors.emplace("large",
                                             StateTensor{held, Spread::kCut, shard});
  return state;
}

/// What training does between two saves.
void overwrite(StateTree& state, double value) {
  for (auto& [name, tensor] : state.children.at("model").tensors) {
    tensor.tensor.fill_(value);
  }
  state.values.at("value") = static_cast<int64_t>(value);
}

/// Polls until the save has ended, as a training loop does; what it throws, as text.
std::string end_of(Checkpointer& checkpointer) {
  return failure_of([&] {
    while (!checkpointer.poll().has_value()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
}

class AsyncSaveTest : public testing::Test {
 protected:
  /// `body(checkpointer, rank)` on two ranks.
  void run(const std::function<void(Checkpointer&, int)>& body) {
    test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
      Checkpointer checkpointer(root_, ranks, options_);
      body(checkpointer, ranks.rank());
    });
  }

  /// Loads the newest step on two ranks: all of large_state's numbers are `value`.
  void expect_large(int64_t value, int64_t mebibytes) {
    test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
      StateTree state = large_state(-1, ranks.rank(), mebibytes);
      (void)load(root_, state, ranks);
      EXPECT_EQ(state.value<int64_t>("value"), value);
      for (const auto& [name, tensor] : state.child("model").tensors) {
        EXPECT_TRUE(at::all(tensor.tensor == value).item<bool>()) << name;
      }
    });
  }

  const test::ScratchDir scratch_{memory_folder()};
  const std::filesystem::path root_ = scratch_.path() / "root";
  FaultFileSystem files_;
  SaveOptions options_{.keep = 1,
                       .lock_wait = std::chrono::seconds(0),
                       .host_budget_bytes = 0,  // Two chunks
                       .block_bytes = 1 << 16,
                       .files = &files_};
};

// 20 MiB go through two chunks of 8 MiB: the last is copied long after the start.
TEST_F(AsyncSaveTest, ChangesBehindWaitCopiedAreNotSaved) {
  run([](Checkpointer& checkpointer, int rank) {
    StateTree state = large_state(3, rank, 20);
    checkpointer.start(1, state, "");
    checkpointer.wait_copied();
    overwrite(state, 4.0);
    EXPECT_EQ(end_of(checkpointer), "no failure");
  });

  expect_large(3, 20);
}

TEST_F(AsyncSaveTest, ValuesAndTensorsThatAreNotCutAreCopiedAtOnce) {
  run([](Checkpointer& checkpointer, int rank) {
    StateTree state = numbered_state(3, kRanks, rank);
    checkpointer.start(1, state, "");
    state.values.at("value") = int64_t{4};
    state.children.at("model").tensors.at("bias").tensor.fill_(4.0);
    EXPECT_EQ(end_of(checkpointer), "no failure");
  });

  EXPECT_EQ(load_number(root_), 3);
}

TEST_F(AsyncSaveTest, TheStateMayGoBehindWaitCopied) {
  run([](Checkpointer& checkpointer, int rank) {
    {
      const StateTree state = large_state(5, rank, 3);
      checkpointer.start(1, state, "text");
      checkpointer.wait_copied();
    }
    EXPECT_EQ(end_of(checkpointer), "no failure");
  });

  expect_large(5, 3);
}

TEST_F(AsyncSaveTest, PollWithoutASaveIsLocal) {
  run([](Checkpointer& checkpointer, int rank) {
    EXPECT_FALSE(checkpointer.is_saving());
    if (rank == 1) return;
    EXPECT_FALSE(checkpointer.poll().has_value());
    EXPECT_FALSE(checkpointer.finish().has_value());
    checkpointer.wait_copied();
  });
}

TEST_F(AsyncSaveTest, SecondSaveDuringTheFirstIsRefusedAndTheFirstGoesOn) {
  run([](Checkpointer& checkpointer, int rank) {
    checkpointer.start(1, numbered_state(1, kRanks, rank), "");
    EXPECT_TRUE(checkpointer.is_saving());
    EXPECT_THROW(checkpointer.start(2, numbered_state(2, kRanks, rank), ""),
                 c10::Error);
    EXPECT_THROW(checkpointer.save(2, numbered_state(2, kRanks, rank)), c10::Error);
    EXPECT_THROW(checkpointer.begin_branch(0, false), c10::Error);
    EXPECT_EQ(checkpointer.finish().value().step, 1);
    EXPECT_FALSE(checkpointer.is_saving());
  });

  EXPECT_EQ(committed_steps(root_), std::vector<std::string>{"1"});
}

TEST_F(AsyncSaveTest, EveryRankHasTheReportFromTheSamePoll) {
  std::vector<int> polls(kRanks, 0);
  run([&](Checkpointer& checkpointer, int rank) {
    checkpointer.start(7, large_state(1, rank, 2), "");
    std::optional<SaveReport> report;
    for (; !report.has_value(); ++polls.at(rank)) report = checkpointer.poll();
    EXPECT_EQ(report->step, 7);
    EXPECT_LE(report->stall_seconds, report->seconds + 0.1);
    EXPECT_FALSE(checkpointer.is_saving());
  });

  EXPECT_EQ(polls.at(0), polls.at(1));
  EXPECT_GE(polls.at(0), 2);  // One for the data, one for the commit.
}

// Whichever call of whichever rank fails: all learn it from poll.
TEST_F(AsyncSaveTest, ErrorOfAThreadIsThrownByPollOnEveryRank) {
  for (const FileCall kind :
       {FileCall::kPwrite, FileCall::kFtruncate, FileCall::kRename}) {
    run([&](Checkpointer& checkpointer, int rank) {
      ASSERT_EQ(checkpointer.save(1, numbered_state(1, kRanks, rank)).step, 1);
      StateTree state = large_state(2, rank, 20);
      if (rank == 0) files_.set_fault({.kind = kind, .error = EIO, .goes_on = true});
      checkpointer.start(2, state, "");
      checkpointer.wait_copied();
      const std::string failure = end_of(checkpointer);
      EXPECT_TRUE(failure.starts_with("storage: rank ")) << failure;
      EXPECT_TRUE(failure.ends_with(": Input/output error")) << failure;
      EXPECT_FALSE(checkpointer.is_saving());
      EXPECT_FALSE(checkpointer.poll().has_value());
      if (rank == 0) files_.set_fault({});
    });
    EXPECT_EQ(load_number(root_), 1);
    EXPECT_EQ(garbage_in(root_), "");
  }
}

TEST_F(AsyncSaveTest, DestructorAbandonsASaveAtAnyMoment) {
  constexpr int kMoments = 4;
  for (int moment = 0; moment < kMoments; ++moment) {
    SCOPED_TRACE(moment);
    run([&](Checkpointer& checkpointer, int rank) {
      checkpointer.save(10 * moment + 1, numbered_state(1, kRanks, rank));
      StateTree state = large_state(2, rank, 20);
      checkpointer.start(10 * moment + 2, state, "");
      if (moment > 0) checkpointer.wait_copied();
      for (int i = 1; i < moment; ++i) (void)checkpointer.poll();
    });
    const auto steps = committed_steps(root_);
    ASSERT_FALSE(steps.empty());
    for (const std::string& step : steps) EXPECT_FALSE(step.ends_with("!")) << step;
    run([&](Checkpointer& checkpointer, int rank) {
      checkpointer.save(10 * moment + 3, numbered_state(3, kRanks, rank));
    });
    EXPECT_EQ(load_number(root_), 3);
    EXPECT_EQ(garbage_in(root_), "");
  }
}

TEST_F(AsyncSaveTest, SavesInARowEachHaveTheirOwnState) {
  run([&](Checkpointer& checkpointer, int rank) {
    StateTree state = numbered_state(0, kRanks, rank);
    for (int64_t step = 1; step <= 5; ++step) {
      overwrite(state, static_cast<double>(step));
      checkpointer.start(step, state, "");
      checkpointer.wait_copied();
      overwrite(state, -9.0);
      EXPECT_EQ(end_of(checkpointer), "no failure");
      if (rank == 0) {
        EXPECT_EQ(load_number(root_), step);
      }
    }
  });

  EXPECT_EQ(committed_steps(root_), std::vector<std::string>{"5"});
}

}  // namespace
}  // namespace shardopt::checkpoint
