/// The sum over ranks, the same bits in every communicator.
#pragma once

#include <span>

#include <ATen/core/Tensor.h>

namespace shardopt::distributed {

/// bf16 and fp16, whose sums are accumulated in fp32 and rounded once.
[[nodiscard]] bool is_accumulated_in_float(at::ScalarType dtype);

/// Sets `sum` ([*], of the dtype of `parts`, or fp32) to parts[0] + parts[1] + ...
/// ([*sum] each, at least one), added in this order.
void sum_in_order(std::span<const at::Tensor> parts, at::Tensor& sum);

}  // namespace shardopt::distributed
