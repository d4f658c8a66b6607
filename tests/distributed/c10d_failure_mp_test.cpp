#include <stdlib.h>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "distributed/c10d_test.h"
#include "shardopt/core/error.h"
#include "shardopt/core/shard.h"
#include "support/scratch_dir.h"

namespace shardopt::distributed {
namespace {

constexpr std::chrono::milliseconds kShort{1500};

// Expects `action` to throw an Error of one line that begins with `words`.
template <typename Error, typename Action>
void expect_error(const std::string& words, const Action& action) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown; expected: " << words;
  } catch (const Error& error) {
    const std::string text = error.what_without_backtrace();
    EXPECT_EQ(text.substr(0, words.size()), words) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

TEST(C10dFailureMpTest, PeerThatLeftIsNamedError) {
  test::run_ranks(3, [](const test::RankEnvironment& env) {
    const auto comm = join_gloo(env, kShort);
    comm->barrier()->wait();
    if (env.rank == 2) return;
    at::Tensor whole = at::ones({3});
    const auto work = comm->all_gather(whole, Shard({0, 1, 2, 3}, env.rank));

    const std::string words =
        c10::str("all_gather #2 on rank ", env.rank, " of 3 failed: ");
    expect_error<CommError>(words, [&] { work->wait(); });
    expect_error<CommError>(words, [&] { work->wait(); });
  });
}

TEST(C10dFailureMpTest, PeerThatMadeAnotherCallIsNamedError) {
  test::run_ranks(2, [](const test::RankEnvironment& env) {
    const auto comm = join_gloo(env, kShort);
    comm->barrier()->wait();
    const auto began = std::chrono::steady_clock::now();
    at::Tensor tensor = at::ones({4});
    at::Tensor piece = at::ones({2});
    const auto work = env.rank == 0
                          ? comm->all_reduce(tensor, ReduceOp::kSum)
                          : comm->reduce_scatter(tensor, piece, Shard({0, 2, 4}, 1));

    EXPECT_THROW(work->wait(), CommError);

    EXPECT_LT(std::chrono::steady_clock::now() - began, 4 * kShort);
  });
}

TEST(C10dFailureMpTest, PeerThatLeftFailsReduceScatterInRounds) {
  test::run_ranks(4, [](const test::RankEnvironment& env) {
    constexpr int64_t kRows = 4 << 20;
    const auto comm = join_gloo(env, kShort);
    comm->barrier()->wait();
    if (env.rank == 3) return;
    const Shard cut({0, kRows, kRows, kRows, kRows}, env.rank);
    at::Tensor piece = at::empty({cut.local_rows()});
    const auto work = comm->reduce_scatter(at::ones({kRows}), piece, cut);
    const auto behind = comm->barrier();

    expect_error<CommError>(
        c10::str("reduce_scatter #2 on rank ", env.rank, " of 4 failed: "),
        [&] { work->wait(); });
    EXPECT_THROW(behind->wait(), CommError);
  });
}

TEST(C10dFailureMpTest, CallsQueuedInDestroyedCommunicatorFail) {
  test::run_ranks(3, [](const test::RankEnvironment& env) {
    constexpr int64_t kRows = 8 << 20;
    auto comm = join_gloo(env, kShort);
    comm->barrier()->wait();
    if (env.rank != 0) return;
    const Shard cut({0, kRows, kRows, kRows}, env.rank);
    at::Tensor piece = at::empty({cut.local_rows()});
    const auto work = comm->reduce_scatter(at::ones({kRows}), piece, cut);
    const auto behind = comm->barrier();

    comm.reset();

    EXPECT_THROW(work->wait(), CommError);
    EXPECT_THROW(behind->wait(), CommError);
  });
}

TEST(C10dFailureMpTest, AbandonedCallsOfDestroyedCommunicatorAreHarmless) {
  test::run_ranks(2, [](const test::RankEnvironment& env) {
    const auto comm = join_gloo(env, kShort);
    comm->barrier()->wait();
    if (env.rank == 1) return;
    for (int call = 0; call < 8; ++call) {
      at::Tensor tensor = at::ones({1000});
      const auto unused = comm->all_reduce(tensor, ReduceOp::kSum);
    }
  });
}

TEST(C10dFailureMpTest, RanksThatDoNotJoinAreNamed) {
  const test::ScratchDir scratch;
  const auto store = store_of({0, 3, scratch.path().string()});
  expect_error<CommError>(
      "group 'shard' on rank 0 of 3: rank 1, 2 did not join: timed out after 200 ms",
      [&] {
        (void)make_c10d_communicator(
            store, "shard",
            {.rank = 0, .size = 3, .timeout = std::chrono::milliseconds(200)});
      });
}

TEST(C10dFailureMpTest, RankOutsideGroupIsRejected) {
  const test::ScratchDir scratch;
  const auto store = store_of({0, 2, scratch.path().string()});
  EXPECT_THROW((void)make_c10d_communicator(store, "g", {.rank = 2, .size = 2}),
               c10::Error);
  EXPECT_THROW((void)make_c10d_communicator(store, "g", {.rank = -1, .size = 2}),
               c10::Error);
}

TEST(C10dFailureMpTest, MissingBackendOrGroupIsRejected) {
  EXPECT_THROW((void)make_c10d_communicator(c10::intrusive_ptr<::c10d::Backend>()),
               c10::Error);
  EXPECT_THROW((void)make_c10d_communicator(c10::intrusive_ptr<::c10d::ProcessGroup>()),
               c10::Error);
}

TEST(C10dFailureMpTest, CudaWithoutGpuIsNamedError) {
  const test::ScratchDir scratch;
  const auto store = store_of({0, 1, scratch.path().string()});
  ASSERT_EQ(setenv("CUDA_VISIBLE_DEVICES", "", 1), 0);
  expect_error<ConfigError>("device cuda: this ", [&] {
    (void)make_c10d_communicator(store, "g", {.device = c10::kCUDA});
  });
}

TEST(C10dFailureMpTest, OtherDevicesAreNamedError) {
  const test::ScratchDir scratch;
  const auto store = store_of({0, 1, scratch.path().string()});
  expect_error<ConfigError>("device meta; allowed: cpu, cuda", [&] {
    (void)make_c10d_communicator(store, "g", {.device = c10::kMeta});
  });
}

}  // namespace
}  // namespace shardopt::distributed
