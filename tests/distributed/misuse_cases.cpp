#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "distributed/communicator_contract.h"
#include "shardopt/core/shard.h"

namespace shardopt::distributed {
namespace {

// Two rows for each rank.
Shard pairs(const Communicator& comm) {
  std::vector<int64_t> offsets;
  for (int rank = 0; rank <= comm.size(); ++rank) offsets.push_back(2 * rank);
  return {offsets, comm.rank()};
}

at::Tensor rows(int64_t count, at::ScalarType dtype = at::kFloat) {
  return at::zeros({count, 3}, dtype);
}

at::Tensor transposed(int64_t count) { return at::zeros({3, count}).t(); }

// Expects `call` to throw c10::Error with `words` in its message and to leave no trace:
// all ranks throw, and the next call finds its peers.
template <typename Call>
void expect_rejected(Communicator& comm, const std::string& words, Call call) {
  const int64_t calls = comm.ledger().total().calls;
  try {
    call();
    ADD_FAILURE() << "nothing was thrown; expected: " << words;
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what_without_backtrace()).find(words),
              std::string::npos)
        << error.what_without_backtrace();
  }
  EXPECT_EQ(comm.ledger().total().calls, calls);
  at::Tensor one = at::ones({1});
  comm.all_reduce(one, ReduceOp::kSum)->wait();
  EXPECT_EQ(one.item<double>(), comm.size());
}

void all_reduce_rejects(Communicator& comm) {
  const auto reduce = [&](at::Tensor tensor) {
    return [&comm, tensor]() mutable { (void)comm.all_reduce(tensor, ReduceOp::kSum); };
  };
  expect_rejected(comm, "undefined", reduce({}));
  expect_rejected(comm, "contiguous", reduce(transposed(2)));
  expect_rejected(comm, "got Bool", reduce(rows(2, at::kBool)));
}

void all_gather_rejects(Communicator& comm) {
  const Shard cut = pairs(comm);
  const int64_t count = cut.global_rows();
  const auto gather = [&](at::Tensor whole, const Shard& used) {
    return [&comm, whole, used]() mutable { (void)comm.all_gather(whole, used); };
  };
  std::vector<int64_t> more = cut.offsets();
  more.push_back(count);
  expect_rejected(comm, "undefined", gather({}, cut));
  expect_rejected(comm, "contiguous", gather(transposed(count), cut));
  expect_rejected(comm, "rows for shape", gather(rows(count + 1), cut));
  expect_rejected(comm, "rows for shape", gather(at::zeros({}), cut));
  expect_rejected(comm, "got a cut for rank",
                  gather(rows(count), Shard(more, comm.rank())));
  expect_rejected(comm, "got a cut for rank",
                  gather(rows(count), Shard(more, comm.size())));
}

void reduce_scatter_rejects(Communicator& comm) {
  const Shard cut = pairs(comm);
  const int64_t count = cut.global_rows();
  const auto scatter = [&](at::Tensor whole, at::Tensor piece) {
    return [&comm, &cut, whole, piece]() mutable {
      (void)comm.reduce_scatter(whole, piece, cut);
    };
  };
  expect_rejected(comm, "undefined", scatter({}, rows(2)));
  expect_rejected(comm, "undefined", scatter(rows(count), {}));
  expect_rejected(comm, "contiguous", scatter(transposed(count), rows(2)));
  expect_rejected(comm, "contiguous", scatter(rows(count), transposed(2)));
  expect_rejected(comm, "rows for shape", scatter(rows(count + 1), rows(2)));
  expect_rejected(comm, "a piece of shape", scatter(rows(count), rows(3)));
  expect_rejected(comm, "different shapes", scatter(rows(count), at::zeros({2, 4})));
  expect_rejected(comm, "a piece of Double",
                  scatter(rows(count), rows(2, at::kDouble)));
  expect_rejected(comm, "a piece of BFloat16",
                  scatter(rows(count), rows(2, at::kBFloat16)));
  expect_rejected(comm, "got Bool",
                  scatter(rows(count, at::kBool), rows(2, at::kBool)));
  expect_rejected(comm, "output on meta",
                  scatter(rows(count), at::empty({2, 3}, at::kMeta)));
}

void all_to_all_rejects(Communicator& comm) {
  const int64_t count = 2 * comm.size();
  const std::vector<int64_t> twos(comm.size(), 2);
  const std::vector<int64_t> too_many(comm.size() + 1, 2);
  std::vector<int64_t> negative = twos;
  negative.back() = -1;
  const std::vector<int64_t> ones(comm.size(), 1);
  const auto exchange = [&](at::Tensor input, std::vector<int64_t> sent,
                            at::Tensor output, std::vector<int64_t> received) {
    return [&comm, input, sent, output, received]() mutable {
      (void)comm.all_to_all(input, sent, output, received);
    };
  };
  expect_rejected(comm, "undefined", exchange({}, twos, rows(count), twos));
  expect_rejected(comm, "undefined", exchange(rows(count), twos, {}, twos));
  expect_rejected(comm, "contiguous",
                  exchange(transposed(count), twos, rows(count), twos));
  expect_rejected(comm, "different shapes",
                  exchange(rows(count), twos, at::zeros({count, 4}), twos));
  expect_rejected(comm, "output of Double",
                  exchange(rows(count), twos, rows(count, at::kDouble), twos));
  expect_rejected(comm, "counts of input rows for",
                  exchange(rows(count), too_many, rows(count), twos));
  expect_rejected(comm, "counts of output rows for",
                  exchange(rows(count), twos, rows(count), too_many));
  expect_rejected(comm, "got -1 as a count of input",
                  exchange(rows(count), negative, rows(count), twos));
  expect_rejected(comm, "input rows for shape",
                  exchange(rows(count), ones, rows(count), twos));
  expect_rejected(comm, "output rows for shape",
                  exchange(rows(count), twos, rows(count), ones));
  expect_rejected(comm, "to itself",
                  exchange(rows(count), twos, rows(comm.size()), ones));
}

void broadcast_rejects(Communicator& comm) {
  const auto broadcast = [&](at::Tensor tensor, int root) {
    return [&comm, tensor, root]() mutable { (void)comm.broadcast(tensor, root); };
  };
  expect_rejected(comm, "undefined", broadcast({}, 0));
  expect_rejected(comm, "contiguous", broadcast(transposed(2), 0));
  expect_rejected(comm, "got root -1", broadcast(rows(2), -1));
  expect_rejected(comm, "got root", broadcast(rows(2), comm.size()));
}

}  // namespace

std::vector<ContractCase> misuse_cases() {
  return {{"all_reduce rejects", all_reduce_rejects},
          {"all_gather rejects", all_gather_rejects},
          {"reduce_scatter rejects", reduce_scatter_rejects},
          {"all_to_all rejects", all_to_all_rejects},
          {"broadcast rejects", broadcast_rejects}};
}

}  // namespace shardopt::distributed
