/// Tensors as memory to be moved: outside autograd, in one dimension.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace shardopt::distributed {

/// The elements of `tensor` (contiguous), [numel]. Writing through it is seen neither
/// by autograd nor by the tensor's version counter.
[[nodiscard]] inline at::Tensor flat(const at::Tensor& tensor) {
  return tensor.variable_data().view({tensor.numel()});
}

/// Its bytes, [nbytes]: what only moves needs no dtype.
[[nodiscard]] inline at::Tensor bytes_of(const at::Tensor& tensor) {
  return flat(tensor).view(at::kByte);
}

/// Elements of one row ([*] of [rows, *]), also where there is no row.
[[nodiscard]] inline int64_t row_elements(const at::Tensor& tensor) {
  int64_t elements = 1;
  for (const int64_t size : tensor.sizes().slice(1)) elements *= size;
  return elements;
}

[[nodiscard]] inline int64_t row_bytes(const at::Tensor& tensor) {
  return row_elements(tensor) * static_cast<int64_t>(tensor.element_size());
}

}  // namespace shardopt::distributed
