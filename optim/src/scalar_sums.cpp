#include "shardopt/optim/scalar_sums.h"

#include <utility>

#include <ATen/ops/cat.h>
#include <c10/util/Exception.h>

#include "tensor_sums.h"

namespace shardopt::optim {

void ScalarSums::add(at::Tensor shares, Then then) {
  TORCH_CHECK(shares.dim() == 1 && shares.scalar_type() == at::kDouble,
              "shares of sums are [n], fp64, got ", shares.scalar_type(),
              shares.sizes());
  pending_.push_back({std::move(shares), std::move(then)});
}

void ScalarSums::settle() {
  while (!pending_.empty()) {
    const std::vector<Pending> round = std::exchange(pending_, {});
    std::vector<at::Tensor> shares;
    for (const Pending& pending : round) shares.push_back(pending.shares);
    const std::vector<double> sums = sum_over_ranks(at::cat(shares), communicator_);
    std::span<const double> totals = sums;
    for (const Pending& pending : round) {
      const auto count = static_cast<std::size_t>(pending.shares.size(0));
      pending.then(totals.first(count));
      totals = totals.subspan(count);
    }
  }
}

}  // namespace shardopt::optim
