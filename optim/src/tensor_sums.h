/// Sums over whole tensors, of which each rank holds some rows.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

namespace shardopt::distributed {
class Communicator;
}

namespace shardopt::optim {

/// Of each tensor's rows on this rank, fp64.  // [tensors]; `tensors` is not empty.
[[nodiscard]] at::Tensor squared_norms(const std::vector<at::Tensor>& tensors);

/// <a[i], b[i]> of the rows on this rank, products and sums in fp64.  // [tensors]
[[nodiscard]] at::Tensor inner_products(const std::vector<at::Tensor>& a,
                                        const std::vector<at::Tensor>& b);

/// Sums of `partial` ([*], fp64) over the ranks, null where tensors are not cut; on the
/// host. Collective: one all_reduce; none on one rank.
[[nodiscard]] std::vector<double> sum_over_ranks(at::Tensor partial,
                                                 distributed::Communicator* ranks);

}  // namespace shardopt::optim
