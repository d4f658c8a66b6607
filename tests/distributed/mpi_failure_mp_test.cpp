#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <stdexcept>
#include <thread>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "distributed/mpi_test.h"
#include "mpi_job.h"
#include "shardopt/core/error.h"
#include "shardopt/core/shard.h"

namespace shardopt::distributed {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kShort{1500};
constexpr milliseconds kSlack{1000};

// Expects `action` to throw an Error of one line with `words` in it, within `limit`.
template <typename Error, typename Action>
void expect_error(const std::string& words, const Action& action,
                  milliseconds limit = kShort + kSlack) {
  const Clock::time_point start = Clock::now();
  try {
    action();
    ADD_FAILURE() << "nothing was thrown; expected: " << words;
  } catch (const Error& error) {
    const std::string text = error.what_without_backtrace();
    EXPECT_NE(text.find(words), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
  EXPECT_LE(Clock::now() - start, limit);
}

// What the ranks 0 and 1 meet whose peer, rank 2, does not make their second call.
void expect_gather_fails(const Communicator& group, Communicator& comm) {
  at::Tensor whole = at::ones({3});
  const auto work = comm.all_gather(whole, Shard({0, 1, 2, 3}, comm.rank()));
  const std::string words =
      c10::str("all_gather #2 of 'test' on rank ", group.rank(), " of 3 failed: ");
  expect_error<CommError>(words, [&] { work->wait(); });
  expect_error<CommError>(
      words, [&] { work->wait(); }, milliseconds(100));
}

// Runs 3 ranks: once they have met, rank 2 does `fate`.
void run_without_last(const std::function<void()>& fate) {
  test::run_failing_mpi_ranks(3, {0, 1}, [&](const test::RankEnvironment& env) {
    const auto comm = join_mpi_group({}, kShort);
    comm->barrier()->wait();
    if (env.rank == 2) return fate();
    expect_gather_fails(*comm, *comm);
  });
}

TEST(MpiFailureMpTest, PeerThatIsStoppedIsNamedError) {
  run_without_last([] { raise(SIGSTOP); });
}

TEST(MpiFailureMpTest, PeerThatEndsEarlyIsNamedError) {
  run_without_last([] {});
}

TEST(MpiFailureMpTest, PeerThatComputesForeverIsNamedError) {
  run_without_last([] { std::this_thread::sleep_for(std::chrono::minutes(5)); });
}

// Without skip_mpi_finalize it would first wait for the others at the end.
TEST(MpiFailureMpTest, PeerThatThrowsEndsTheJobAtOnce) {
  const Clock::time_point start = Clock::now();
  test::run_failing_mpi_ranks(3, {}, [](const test::RankEnvironment& env) {
    const auto comm = join_mpi_group({}, std::chrono::minutes(5));
    comm->barrier()->wait();
    if (env.rank == 2) {
      skip_mpi_finalize();
      throw std::runtime_error("cannot go on");
    }
    comm->barrier()->wait();
  });
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(20));
}

TEST(MpiFailureMpTest, PeerThatIsKilledEndsTheJob) {
  test::run_failing_mpi_ranks(3, {}, [](const test::RankEnvironment& env) {
    const auto comm = join_mpi_group({}, std::chrono::minutes(5));
    comm->barrier()->wait();
    if (env.rank == 2) raise(SIGKILL);
    comm->barrier()->wait();
  });
}

TEST(MpiFailureMpTest, AbortEndsTheJob) {
  test::run_failing_mpi_ranks(2, {}, [](const test::RankEnvironment& env) {
    const auto comm = join_mpi_group({}, std::chrono::minutes(5));
    comm->barrier()->wait();
    if (env.rank == 1) abort_mpi(3);
    comm->barrier()->wait();
  });
}

bool is_stopped(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
  std::string id, name, state;
  status >> id >> name >> state;
  return state == "T";
}

TEST(MpiFailureMpTest, PeerThatGoesOnWithinTheLimitIsWaitedFor) {
  test::run_mpi_ranks(2, [](const test::RankEnvironment& env) {
    const auto comm = join_mpi_group();
    at::Tensor pid = at::scalar_tensor(int64_t{getpid()}, at::kLong);
    comm->broadcast(pid, 1)->wait();
    if (env.rank == 1) raise(SIGSTOP);
    std::thread waker([&] {
      const auto peer = static_cast<pid_t>(pid.item<int64_t>());
      if (env.rank == 1) return;
      while (!is_stopped(peer)) std::this_thread::sleep_for(milliseconds(1));
      std::this_thread::sleep_for(milliseconds(300));
      kill(peer, SIGCONT);
    });
    at::Tensor tensor = at::ones({1000});

    comm->all_reduce(tensor, ReduceOp::kSum)->wait();

    waker.join();
    EXPECT_TRUE(at::equal(tensor, at::full({1000}, 2.0)));
  });
}

TEST(MpiFailureMpTest, PeerThatMakesAnotherCallIsNamedError) {
  test::run_failing_mpi_ranks(2, {0, 1}, [](const test::RankEnvironment& env) {
    const auto comm = join_mpi_group({}, kShort);
    at::Tensor tensor = at::ones({4});
    at::Tensor piece = at::ones({2});
    const auto work = env.rank == 0
                          ? comm->all_reduce(tensor, ReduceOp::kSum)
                          : comm->reduce_scatter(tensor, piece, Shard({0, 2, 4}, 1));

    expect_error<CommError>("#1 of 'test' on rank", [&] { work->wait(); });
  });
}

// MPI itself finds out, long before the limit.
TEST(MpiFailureMpTest, MessageThatIsTooLongIsNamedError) {
  test::run_failing_mpi_ranks(2, {1}, [](const test::RankEnvironment& env) {
    const auto comm = join_mpi_group();
    at::Tensor tensor = at::ones({env.rank == 0 ? 1000 : 10});
    const auto work = comm->broadcast(tensor, 0);
    if (env.rank == 0) return work->wait();

    expect_error<CommError>("broadcast #1 of 'test' on rank 1 of 2 failed: MPI_",
                            [&] { work->wait(); });
    skip_mpi_finalize();
  });
}

TEST(MpiFailureMpTest, AbandonedCallsAtTheEndAreHarmless) {
  test::run_failing_mpi_ranks(2, {0, 1}, [](const test::RankEnvironment& env) {
    const auto comm = join_mpi_group({}, kShort);
    if (env.rank == 1) return;
    for (int call = 0; call < 8; ++call) {
      at::Tensor tensor = at::ones({1000});
      const auto unused = comm->all_reduce(tensor, ReduceOp::kSum);
    }
  });
}

TEST(MpiFailureMpTest, GroupThatPeersDoNotMakeIsNamedError) {
  test::run_failing_mpi_ranks(3, {0, 1}, [](const test::RankEnvironment& env) {
    const auto comm = join_mpi_group({}, kShort);
    if (env.rank == 2) return std::this_thread::sleep_for(std::chrono::minutes(5));
    expect_error<CommError>(c10::str("group 'test' on rank ", env.rank,
                                     " of 3 cannot be made: timed out after 1500 ms"),
                            [] { (void)join_mpi_group({}, kShort); });
  });
}

TEST(MpiFailureMpTest, GroupsThatDisagreeAreNamedError) {
  test::run_failing_mpi_ranks(2, {0}, [](const test::RankEnvironment& env) {
    if (env.rank == 1) {
      (void)join_mpi_group({.ranks = {1}}, kShort);
      return;
    }
    expect_error<CommError>("this rank gave 2 ranks, of whom 1 gave that group", [] {
      (void)join_mpi_group({.ranks = {0, 1}}, kShort);
    });
    skip_mpi_finalize();
  });
}

TEST(MpiFailureMpTest, RankThatDoesNotStartMpiIsNamedError) {
  test::run_failing_mpi_ranks(2, {0}, [](const test::RankEnvironment& env) {
    if (env.rank == 1) return std::this_thread::sleep_for(std::chrono::minutes(5));
    expect_error<CommError>("MPI: not all ranks have come within 1500 ms",
                            [] { (void)join_mpi(kShort); });
  });
}

TEST(MpiFailureMpTest, TextThatDoesNotComeIsNamedError) {
  test::run_failing_mpi_ranks(2, {1}, [](const test::RankEnvironment& env) {
    (void)join_mpi();
    if (env.rank == 0) return std::this_thread::sleep_for(std::chrono::minutes(5));
    expect_error<CommError>(
        "MPI on rank 1 of 2: the text of rank 0 did not come within 1500 ms",
        [] { (void)broadcast_text("", kShort); });
  });
}

TEST(MpiFailureMpTest, OptionsOutOfRangeAreRejected) {
  test::run_mpi_ranks(2, [](const test::RankEnvironment& env) {
    const auto expect_rejected = [](const std::string& words, MpiOptions options) {
      expect_error<c10::Error>(words, [&] { (void)join_mpi_group(options); });
    };
    const int peer = 1 - env.rank;
    expect_rejected("chunk_bytes is 0; allowed: 1 to 1073741824", {.chunk_bytes = 0});
    expect_rejected("chunk_bytes is 1073741825; allowed",
                    {.chunk_bytes = (int64_t{1} << 30) + 1});
    expect_rejected("ranks are [0, 2]; allowed: 0 to 1", {.ranks = {0, 2}});
    expect_rejected("ranks are [-1, 0]; allowed: 0 to 1", {.ranks = {-1, 0}});
    expect_rejected("ranks are [1, 0, 1]; allowed: each rank once",
                    {.ranks = {1, 0, 1}});
    expect_rejected(c10::str("on rank ", env.rank, "; allowed: groups that this rank"),
                    {.ranks = {peer}});
    EXPECT_EQ(join_mpi_group()->size(), 2);
  });
}

TEST(MpiFailureMpTest, TensorsElsewhereAreRejected) {
  test::run_mpi_ranks(2, [](const test::RankEnvironment&) {
    const auto comm = join_mpi_group();
    at::Tensor tensor = at::ones({4}, at::kMeta);
    expect_error<CommError>("a tensor on meta for MPI; allowed: cpu",
                            [&] { comm->broadcast(tensor, 0)->wait(); });
  });
}

}  // namespace
}  // namespace shardopt::distributed
