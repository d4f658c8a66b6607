#include "rank_sum.h"

#include <ATen/ops/empty_like.h>

namespace shardopt::distributed {

bool is_accumulated_in_float(at::ScalarType dtype) {
  return dtype == at::kBFloat16 || dtype == at::kHalf;
}

void sum_in_order(std::span<const at::Tensor> parts, at::Tensor& sum) {
  const bool is_rounded = is_accumulated_in_float(sum.scalar_type());
  at::Tensor total =
      is_rounded ? at::empty_like(sum, sum.options().dtype(at::kFloat)) : sum;
  total.copy_(parts.front());
  for (const at::Tensor& part : parts.subspan(1)) total.add_(part);
  if (is_rounded) sum.copy_(total);
}

}  // namespace shardopt::distributed
