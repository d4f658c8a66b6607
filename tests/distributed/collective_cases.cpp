#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "distributed/communicator_contract.h"
#include "shardopt/core/shard.h"

namespace shardopt::distributed {
namespace {

constexpr at::ScalarType kDtypes[] = {at::kFloat, at::kDouble, at::kBFloat16,
                                      at::kLong};

// Small whole numbers, exact in every dtype, sums over seven ranks included: the
// largest is 11 x 28 = 308, which needs seven of bf16's eight bits.
at::Tensor whole_numbers(at::IntArrayRef shape, at::ScalarType dtype) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return at::arange(count, at::kLong).remainder(11).add(1).view(shape).to(dtype);
}

// 1 + 2 + ... + ranks
int64_t sum_of_ranks(const Communicator& comm) {
  return comm.size() * (comm.size() + 1) / 2;
}

void all_reduce_sums(Communicator& comm) {
  for (const at::ScalarType dtype : kDtypes) {
    const at::Tensor base = whole_numbers({3, 4}, dtype);
    at::Tensor tensor = base.mul(comm.rank() + 1);

    comm.all_reduce(tensor, ReduceOp::kSum)->wait();

    EXPECT_TRUE(at::equal(tensor, base.mul(sum_of_ranks(comm)))) << dtype;
  }
}

void all_reduce_finds_extremes(Communicator& comm) {
  for (const at::ScalarType dtype : kDtypes) {
    const at::Tensor base = whole_numbers({5}, dtype);
    at::Tensor least = base.add(comm.rank());
    at::Tensor most = base.add(comm.rank());

    comm.all_reduce(least, ReduceOp::kMin)->wait();
    comm.all_reduce(most, ReduceOp::kMax)->wait();

    EXPECT_TRUE(at::equal(least, base)) << dtype;
    EXPECT_TRUE(at::equal(most, base.add(comm.size() - 1))) << dtype;
  }
}

void all_reduce_takes_scalars(Communicator& comm) {
  at::Tensor count = at::scalar_tensor(comm.rank(), at::kLong);
  comm.all_reduce(count, ReduceOp::kSum)->wait();
  EXPECT_EQ(count.item<int64_t>(), sum_of_ranks(comm) - comm.size());
}

// bf16 next to 256 is 258: a sum that rounds at each rank would stay at 256.
void bf16_sums_round_once(Communicator& comm) {
  const at::Tensor mine = at::full({4}, comm.rank() == 0 ? 256.0 : 1.0, at::kBFloat16);
  const at::Tensor sum = at::full({4}, 255.0 + comm.size());  // fp32
  std::vector<int64_t> offsets(comm.size() + 1, 4);           // all on rank 0
  offsets.front() = 0;
  const Shard cut(offsets, comm.rank());
  at::Tensor reduced = mine.clone();
  at::Tensor piece = at::empty({cut.local_rows()}, at::kBFloat16);
  at::Tensor float_piece = at::empty({cut.local_rows()}, at::kFloat);

  comm.all_reduce(reduced, ReduceOp::kSum)->wait();
  comm.reduce_scatter(mine, piece, cut)->wait();
  comm.reduce_scatter(mine, float_piece, cut)->wait();

  const at::Tensor own_sum = sum.narrow(0, 0, cut.local_rows());
  EXPECT_TRUE(at::equal(reduced, sum.to(at::kBFloat16)));
  EXPECT_TRUE(at::equal(piece, own_sum.to(at::kBFloat16)));
  EXPECT_TRUE(at::equal(float_piece, own_sum));
}

void all_gather_completes(Communicator& comm) {
  for (const at::ScalarType dtype : kDtypes) {
    for (const auto& offsets : sample_cuts(comm.size())) {
      const Shard cut(offsets, comm.rank());
      const at::Tensor expected = whole_numbers({cut.global_rows(), 2, 3}, dtype);
      at::Tensor whole = at::full_like(expected, -1);
      whole.narrow(0, cut.local_begin(), cut.local_rows())
          .copy_(expected.narrow(0, cut.local_begin(), cut.local_rows()));

      comm.all_gather(whole, cut)->wait();

      EXPECT_TRUE(at::equal(whole, expected))
          << dtype << " cut " << at::IntArrayRef(offsets);
    }
  }
}

void reduce_scatter_sums_own_rows(Communicator& comm) {
  for (const at::ScalarType dtype : kDtypes) {
    for (const auto& offsets : sample_cuts(comm.size())) {
      const Shard cut(offsets, comm.rank());
      const at::Tensor base = whole_numbers({cut.global_rows(), 3}, dtype);
      at::Tensor piece = at::full({cut.local_rows(), 3}, -1, dtype);

      comm.reduce_scatter(base.mul(comm.rank() + 1), piece, cut)->wait();

      const at::Tensor own = base.narrow(0, cut.local_begin(), cut.local_rows());
      EXPECT_TRUE(at::equal(piece, own.mul(sum_of_ranks(comm))))
          << dtype << " cut " << at::IntArrayRef(offsets);
    }
  }
}

// In fp32 (1e8 + 1) - 1e8 is 0 and (1e8 - 1e8) + 1 is 1: the order shows.
void reduce_scatter_adds_in_rank_order(Communicator& comm) {
  const auto value = [](int rank) {
    constexpr double kValues[] = {1e8, 1.0, -1e8, 1.0};
    return kValues[rank % 4];
  };
  at::Tensor expected = at::full({1}, value(0));
  for (int rank = 1; rank < comm.size(); ++rank) expected.add_(value(rank));
  std::vector<int64_t> offsets;
  for (int rank = 0; rank <= comm.size(); ++rank) offsets.push_back(rank);
  const at::Tensor whole = at::full({comm.size()}, value(comm.rank()));
  at::Tensor piece = at::empty({1});

  comm.reduce_scatter(whole, piece, Shard(offsets, comm.rank()))->wait();

  EXPECT_TRUE(at::equal(piece, expected)) << piece;
}

// Rank r sends (r + 2 s + 1) mod 3 rows to rank s, filled with 10 r + s.
void all_to_all_exchanges(Communicator& comm) {
  const auto rows = [](int from, int to) { return (from + 2 * to + 1) % 3; };
  for (const at::ScalarType dtype : kDtypes) {
    std::vector<int64_t> sent;
    std::vector<int64_t> received;
    std::vector<at::Tensor> inputs;
    std::vector<at::Tensor> outputs;
    for (int peer = 0; peer < comm.size(); ++peer) {
      sent.push_back(rows(comm.rank(), peer));
      received.push_back(rows(peer, comm.rank()));
      inputs.push_back(at::full({sent.back(), 2}, 10 * comm.rank() + peer, dtype));
      outputs.push_back(at::full({received.back(), 2}, 10 * peer + comm.rank(), dtype));
    }
    const at::Tensor expected = at::cat(outputs);
    at::Tensor output = at::full_like(expected, -1);

    comm.all_to_all(at::cat(inputs), sent, output, received)->wait();

    EXPECT_TRUE(at::equal(output, expected)) << dtype;
  }
}

void broadcast_copies_from_each_root(Communicator& comm) {
  for (const at::ScalarType dtype : kDtypes) {
    for (int root = 0; root < comm.size(); ++root) {
      at::Tensor tensor = at::full({2, 3}, comm.rank(), dtype);

      comm.broadcast(tensor, root)->wait();

      EXPECT_TRUE(at::equal(tensor, at::full({2, 3}, root, dtype))) << dtype;
    }
  }
}

void leaves_that_require_grad_are_filled(Communicator& comm) {
  at::Tensor leaf = at::full({3}, comm.rank() + 1.0).requires_grad_();
  comm.broadcast(leaf, 0)->wait();
  comm.all_reduce(leaf, ReduceOp::kSum)->wait();
  EXPECT_TRUE(leaf.is_leaf());
  EXPECT_TRUE(at::equal(leaf.detach(), at::full({3}, 1.0 * comm.size())));
}

void inference_tensors_are_filled(Communicator& comm) {
  const c10::InferenceMode guard;
  at::Tensor tensor = at::full({3}, comm.rank() + 1.0);
  comm.broadcast(tensor, 0)->wait();
  comm.all_reduce(tensor, ReduceOp::kSum)->wait();
  EXPECT_TRUE(at::equal(tensor, at::full({3}, 1.0 * comm.size())));
}

}  // namespace

std::vector<ContractCase> collective_cases() {
  return {{"all_reduce sums", all_reduce_sums},
          {"all_reduce finds extremes", all_reduce_finds_extremes},
          {"all_reduce takes scalars", all_reduce_takes_scalars},
          {"bf16 sums round once", bf16_sums_round_once},
          {"all_gather completes", all_gather_completes},
          {"reduce_scatter sums own rows", reduce_scatter_sums_own_rows},
          {"reduce_scatter adds in rank order", reduce_scatter_adds_in_rank_order},
          {"all_to_all exchanges", all_to_all_exchanges},
          {"broadcast copies from each root", broadcast_copies_from_each_root},
          {"leaves that require grad are filled", leaves_that_require_grad_are_filled},
          {"inference tensors are filled", inference_tensors_are_filled}};
}

}  // namespace shardopt::distributed
