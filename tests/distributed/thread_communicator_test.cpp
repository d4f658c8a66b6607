#include "shardopt/distributed/thread_communicator.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <thread>

#include "distributed/communicator_contract.h"
#include "shardopt/core/error.h"
#include "shardopt/core/shard.h"
#include "support/thread_ranks.h"

namespace shardopt::distributed {
namespace {

constexpr std::chrono::milliseconds kShort{50};

// The message of the CommError that `work` must end with.
std::string failure_of(Work& work) {
  try {
    work.wait();
  } catch (const CommError& error) {
    return error.what_without_backtrace();
  }
  return "no CommError";
}

class ThreadContractTest : public testing::TestWithParam<int> {};

TEST_P(ThreadContractTest, IsKept) { test::run_thread_ranks(GetParam(), run_contract); }

INSTANTIATE_TEST_SUITE_P(Sizes, ThreadContractTest, testing::Values(1, 2, 3, 4, 7),
                         testing::PrintToStringParamName());

TEST(ThreadCommunicatorTest, RejectsGroupOfNobody) {
  EXPECT_THROW((void)make_thread_communicators(0), c10::Error);
}

TEST(ThreadCommunicatorTest, PeerThatLeavesFailsOpenCallsAtOnce) {
  auto ranks = make_thread_communicators(2, std::chrono::hours(1));
  const auto open = ranks[0]->barrier();

  std::thread leaver([&] { ranks[1].reset(); });

  EXPECT_EQ(failure_of(*open),
            "barrier #1 on rank 0 of 2 failed: rank 1 has left the group");
  leaver.join();
}

TEST(ThreadCommunicatorTest, PeerThatLeftFailsLaterCallsAtOnce) {
  auto ranks = make_thread_communicators(3, std::chrono::hours(1));
  ranks[2].reset();
  at::Tensor tensor = at::ones({2});

  const auto later = ranks[1]->all_reduce(tensor, ReduceOp::kSum);

  EXPECT_EQ(failure_of(*later),
            "all_reduce #1 on rank 1 of 3 failed: rank 2 has left the group");
}

TEST(ThreadCommunicatorTest, PeerThatLeavesDoesNotFailFinishedCalls) {
  auto ranks = make_thread_communicators(2, std::chrono::hours(1));
  const auto first = ranks[0]->barrier();
  const auto second = ranks[1]->barrier();

  ranks[1].reset();

  EXPECT_NO_THROW(first->wait());
}

TEST(ThreadCommunicatorTest, AbsentPeerFailsCallForAllAfterTimeout) {
  auto ranks = make_thread_communicators(3, kShort);
  const auto first = ranks[0]->barrier();
  EXPECT_EQ(failure_of(*first),
            "barrier #1 on rank 0 of 3 failed: rank 1, 2 did not join within 50 ms");

  const auto late = ranks[1]->barrier();

  EXPECT_EQ(failure_of(*late),
            "barrier #1 on rank 1 of 3 failed: rank 1, 2 did not join within 50 ms");
}

// What two ranks call, and what must be said of it.
struct Disagreement {
  const char* name;
  std::function<std::unique_ptr<Work>(Communicator&)> calls[2];
  std::string words;
};

std::unique_ptr<Work> sum_of(Communicator& comm, at::Tensor tensor) {
  return comm.all_reduce(tensor, ReduceOp::kSum);
}

std::unique_ptr<Work> gather(Communicator& comm, std::vector<int64_t> offsets) {
  at::Tensor whole = at::ones({offsets.back()});
  return comm.all_gather(whole, Shard(std::move(offsets), comm.rank()));
}

std::unique_ptr<Work> exchange(Communicator& comm, int64_t rows_for_each) {
  const std::vector<int64_t> rows(2, rows_for_each);
  std::vector<int64_t> one_each(2, 1);
  one_each[comm.rank()] = rows_for_each;
  at::Tensor output = at::ones({rows_for_each + 1});
  return comm.all_to_all(at::ones({2 * rows_for_each}), rows, output, one_each);
}

std::vector<Disagreement> disagreements() {
  return {
      {"Kind",
       {[](Communicator& c) { return c.barrier(); },
        [](Communicator& c) { return sum_of(c, at::ones({2})); }},
       "rank 0 called barrier but rank 1 called all_reduce sum of Float [2]"},
      {"Shape",
       {[](Communicator& c) { return sum_of(c, at::ones({2})); },
        [](Communicator& c) { return sum_of(c, at::ones({3})); }},
       "rank 0 called all_reduce sum of Float [2] but rank 1 called all_reduce sum of "
       "Float [3]"},
      {"Dtype",
       {[](Communicator& c) { return sum_of(c, at::ones({2})); },
        [](Communicator& c) { return sum_of(c, at::ones({2}, at::kLong)); }},
       "but rank 1 called all_reduce sum of Long [2]"},
      {"Cut",
       {[](Communicator& c) {
          return gather(c, {0, 1, 3});
        },
        [](Communicator& c) {
          return gather(c, {0, 2, 3});
        }},
       "rank 0 called all_gather cut [0, 1, 3] of Float [3] but rank 1 called "
       "all_gather cut [0, 2, 3] of Float [3]"},
      {"Rows",
       {[](Communicator& c) { return exchange(c, 1); },
        [](Communicator& c) { return exchange(c, 2); }},
       "rank 1 sends 2 rows to rank 0, which expects 1"},
  };
}

class ThreadDisagreementTest : public testing::TestWithParam<Disagreement> {};

TEST_P(ThreadDisagreementTest, FailsBothRanksAndTheGroup) {
  auto ranks = make_thread_communicators(2, std::chrono::hours(1));
  const auto first = GetParam().calls[0](*ranks[0]);
  const auto second = GetParam().calls[1](*ranks[1]);

  for (Work* work : {first.get(), second.get()}) {
    const std::string failure = failure_of(*work);
    EXPECT_NE(failure.find(GetParam().words), std::string::npos) << failure;
  }
  EXPECT_NE(failure_of(*ranks[0]->barrier()), "no CommError");
}

INSTANTIATE_TEST_SUITE_P(Of, ThreadDisagreementTest, testing::ValuesIn(disagreements()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace shardopt::distributed
