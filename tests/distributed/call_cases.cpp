#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "distributed/communicator_contract.h"
#include "shardopt/core/shard.h"

namespace shardopt::distributed {
namespace {

// A cut that leaves everything to the last rank.
Shard all_on_last(int64_t rows, const Communicator& comm) {
  std::vector<int64_t> offsets(comm.size() + 1, 0);
  offsets.back() = rows;
  return {offsets, comm.rank()};
}

// Calls of all kinds under way at once, the largest such that no rank can receive all
// of it together; rank r begins to wait with call r, going backwards.
void calls_in_flight_are_waited_in_any_order(Communicator& comm) {
  constexpr int64_t kLarge = 4 << 20;  // elements: 16 MiB, times ranks at the owner
  const double ranks = comm.size();
  const Shard cut = all_on_last(kLarge, comm);
  const at::Tensor large = at::full({kLarge}, comm.rank() + 1.0);
  at::Tensor piece = at::empty({cut.local_rows()});
  at::Tensor sum = at::ones({2});
  at::Tensor root = at::full({3}, comm.rank(), at::kLong);
  at::Tensor whole = at::full({kLarge}, comm.rank());

  std::vector<std::unique_ptr<Work>> works;
  works.push_back(comm.all_reduce(sum, ReduceOp::kSum));
  works.push_back(comm.reduce_scatter(large, piece, cut));
  works.push_back(comm.broadcast(root, comm.size() - 1));
  works.push_back(comm.barrier());
  works.push_back(comm.all_gather(whole, cut));
  for (std::size_t i = works.size(); i > 0; --i) {
    works[(i - 1 + comm.rank()) % works.size()]->wait();
  }

  EXPECT_TRUE(at::equal(sum, at::full({2}, ranks)));
  EXPECT_TRUE(at::equal(piece, at::full_like(piece, ranks * (ranks + 1) / 2)));
  EXPECT_TRUE(at::equal(root, at::full({3}, comm.size() - 1, at::kLong)));
  EXPECT_TRUE(at::equal(whole, at::full({kLarge}, ranks - 1)));
}

void calls_are_matched_by_order(Communicator& comm) {
  std::vector<at::Tensor> sums;
  std::vector<std::unique_ptr<Work>> works;
  for (int call = 0; call < 20; ++call) {
    sums.push_back(at::full({5}, call, at::kLong));
    works.push_back(comm.all_reduce(sums.back(), ReduceOp::kSum));
  }
  while (!works.empty()) {
    works.back()->wait();
    works.pop_back();
  }
  for (int call = 0; call < 20; ++call) {
    EXPECT_TRUE(at::equal(sums[call], at::full({5}, call * comm.size(), at::kLong)));
  }
}

void waiting_again_returns_at_once(Communicator& comm) {
  at::Tensor tensor = at::ones({2}, at::kBFloat16);
  const auto work = comm.all_reduce(tensor, ReduceOp::kSum);
  work->wait();
  work->wait();
  EXPECT_TRUE(at::equal(tensor, at::full({2}, comm.size(), at::kBFloat16)));
}

void works_that_nobody_waits_for_disturb_nothing(Communicator& comm) {
  for (int call = 0; call < 4; ++call) {
    at::Tensor whole = at::ones({1000});
    const Shard cut = all_on_last(1000, comm);
    at::Tensor piece = at::empty({cut.local_rows()});
    const auto unused = comm.reduce_scatter(whole, piece, cut);
  }
  at::Tensor tensor = at::ones({2});
  comm.all_reduce(tensor, ReduceOp::kSum)->wait();
  EXPECT_TRUE(at::equal(tensor, at::full({2}, 1.0 * comm.size())));
}

void empty_tensors_are_allowed(Communicator& comm) {
  const std::vector<int64_t> none(comm.size(), 0);
  const Shard cut(std::vector<int64_t>(comm.size() + 1, 0), comm.rank());
  at::Tensor rows = at::empty({0, 3});
  at::Tensor rows_out = at::empty({0, 3});
  const Shard wide_cut = all_on_last(4, comm);
  at::Tensor narrow = at::empty({4, 0});
  at::Tensor narrow_piece = at::empty({wide_cut.local_rows(), 0});

  comm.all_reduce(rows, ReduceOp::kSum)->wait();
  comm.all_gather(rows, cut)->wait();
  comm.all_gather(narrow, wide_cut)->wait();
  comm.reduce_scatter(rows, rows_out, cut)->wait();
  comm.reduce_scatter(narrow, narrow_piece, wide_cut)->wait();
  comm.all_to_all(rows, none, rows_out, none)->wait();
  comm.broadcast(rows, 0)->wait();

  at::Tensor tensor = at::ones({2});
  comm.all_reduce(tensor, ReduceOp::kSum)->wait();
  EXPECT_TRUE(at::equal(tensor, at::full({2}, 1.0 * comm.size())));
}

// Rows of 8 bytes. Cut: rank r holds r + 1 rows.
void ledger_counts_calls_and_bytes(Communicator& comm) {
  const int64_t ranks = comm.size();
  const int64_t rank = comm.rank();
  std::vector<int64_t> offsets{0};
  for (int64_t r = 0; r < ranks; ++r) offsets.push_back(offsets.back() + r + 1);
  const Shard cut(offsets, comm.rank());
  at::Tensor whole = at::ones({cut.global_rows(), 2});
  at::Tensor piece = at::ones({cut.local_rows(), 2});
  const std::vector<int64_t> rows(ranks, 2);
  const at::Tensor sent = at::ones({2 * ranks, 2});
  at::Tensor received = at::ones({2 * ranks, 2});
  at::Tensor tensor = at::ones({84}, at::kBFloat16);  // 168 bytes: / 2, 3, 4, 7, 8
  comm.clear_ledger();

  comm.all_reduce(tensor, ReduceOp::kSum)->wait();
  comm.all_reduce(tensor, ReduceOp::kMax)->wait();
  comm.all_gather(whole, cut)->wait();
  comm.reduce_scatter(whole, piece, cut)->wait();
  comm.all_to_all(sent, rows, received, rows)->wait();
  comm.broadcast(tensor, 0)->wait();
  comm.barrier()->wait();

  const auto expect = [&](Collective kind, int64_t calls, int64_t bytes) {
    EXPECT_EQ(comm.ledger().entry(kind).calls, calls) << name(kind);
    EXPECT_EQ(comm.ledger().entry(kind).bytes, bytes) << name(kind);
  };
  const int64_t reduced = 2 * (2 * (ranks - 1) * 168 / ranks);
  const int64_t gathered = (rank + 1) * 8 * (ranks - 1);
  const int64_t scattered = (cut.global_rows() - rank - 1) * 8;
  const int64_t exchanged = 2 * 8 * (ranks - 1);
  const int64_t broadcast = rank == 0 ? 168 * (ranks - 1) : 0;
  expect(Collective::kAllReduce, 2, reduced);
  expect(Collective::kAllGather, 1, gathered);
  expect(Collective::kReduceScatter, 1, scattered);
  expect(Collective::kAllToAll, 1, exchanged);
  expect(Collective::kBroadcast, 1, broadcast);
  expect(Collective::kBarrier, 1, 0);
  EXPECT_EQ(comm.ledger().total().calls, 7);
  EXPECT_EQ(comm.ledger().total().bytes,
            reduced + gathered + scattered + exchanged + broadcast);
  comm.clear_ledger();
  EXPECT_EQ(comm.ledger().total().calls, 0);
}

}  // namespace

std::vector<ContractCase> call_cases() {
  return {{"calls in flight are waited in any order",
           calls_in_flight_are_waited_in_any_order},
          {"calls are matched by order", calls_are_matched_by_order},
          {"waiting again returns at once", waiting_again_returns_at_once},
          {"works that nobody waits for disturb nothing",
           works_that_nobody_waits_for_disturb_nothing},
          {"empty tensors are allowed", empty_tensors_are_allowed},
          {"ledger counts calls and bytes", ledger_counts_calls_and_bytes}};
}

}  // namespace shardopt::distributed
