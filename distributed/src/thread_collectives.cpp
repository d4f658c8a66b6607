#include "thread_collectives.h"

#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>

#include "rank_sum.h"
#include "tensor_view.h"

namespace shardopt::distributed {
namespace {

std::vector<at::Tensor> flat_inputs(std::span<Contribution> ranks) {
  std::vector<at::Tensor> inputs;
  inputs.reserve(ranks.size());
  for (const Contribution& part : ranks) inputs.push_back(flat(part.input));
  return inputs;
}

at::Tensor reduce(std::span<const at::Tensor> parts, ReduceOp op) {
  at::Tensor result = parts.front().clone();
  if (op == ReduceOp::kSum) {
    sum_in_order(parts, result);
    return result;
  }
  for (const at::Tensor& part : parts.subspan(1)) {
    result =
        op == ReduceOp::kMin ? at::minimum(result, part) : at::maximum(result, part);
  }
  return result;
}

// Rows that `rank` has before those for (or from) `peer`.
int64_t rows_before(const std::vector<int64_t>& rows, std::size_t peer) {
  int64_t sum = 0;
  for (std::size_t r = 0; r < peer; ++r) sum += rows[r];
  return sum;
}

void exchange(const Contribution& from, std::size_t source, const Contribution& to,
              std::size_t destination) {
  const int64_t rows = from.input_rows[destination];
  TORCH_CHECK(rows == to.output_rows[source], "rank ", source, " sends ", rows,
              " rows to rank ", destination, ", which expects ",
              to.output_rows[source]);
  const int64_t width = row_elements(from.input);
  const at::Tensor sent =
      flat(from.input)
          .narrow(0, rows_before(from.input_rows, destination) * width, rows * width);
  flat(to.output)
      .narrow(0, rows_before(to.output_rows, source) * width, rows * width)
      .copy_(sent);
}

}  // namespace

Execution reduce_for_all(ReduceOp op) {
  return [op](std::span<Contribution> ranks) {
    const std::vector<at::Tensor> inputs = flat_inputs(ranks);
    const at::Tensor result = reduce(inputs, op);
    for (const at::Tensor& input : inputs) input.copy_(result);
  };
}

Execution gather_for_all(const Shard& cut) {
  return [cut](std::span<Contribution> ranks) {
    const std::vector<at::Tensor> wholes = flat_inputs(ranks);
    const int64_t width = row_elements(ranks.front().input);
    for (int owner = 0; owner < cut.ranks(); ++owner) {
      const int64_t begin = cut.begin(owner) * width;
      const int64_t length = cut.rows(owner) * width;
      for (int rank = 0; rank < cut.ranks(); ++rank) {
        if (rank == owner) continue;
        wholes[rank]
            .narrow(0, begin, length)
            .copy_(wholes[owner].narrow(0, begin, length));
      }
    }
  };
}

Execution reduce_pieces_for_all(const Shard& cut) {
  return [cut](std::span<Contribution> ranks) {
    const std::vector<at::Tensor> wholes = flat_inputs(ranks);
    const int64_t width = row_elements(ranks.front().input);
    for (int owner = 0; owner < cut.ranks(); ++owner) {
      std::vector<at::Tensor> parts;
      for (const at::Tensor& whole : wholes) {
        parts.push_back(
            whole.narrow(0, cut.begin(owner) * width, cut.rows(owner) * width));
      }
      at::Tensor piece = flat(ranks[owner].output);
      sum_in_order(parts, piece);
    }
  };
}

Execution exchange_for_all() {
  return [](std::span<Contribution> ranks) {
    for (std::size_t source = 0; source < ranks.size(); ++source) {
      for (std::size_t destination = 0; destination < ranks.size(); ++destination) {
        exchange(ranks[source], source, ranks[destination], destination);
      }
    }
  };
}

Execution broadcast_for_all(int root) {
  return [root](std::span<Contribution> ranks) {
    const std::vector<at::Tensor> tensors = flat_inputs(ranks);
    for (const at::Tensor& tensor : tensors) {
      if (!tensor.is_same(tensors[root])) tensor.copy_(tensors[root]);
    }
  };
}

}  // namespace shardopt::distributed
