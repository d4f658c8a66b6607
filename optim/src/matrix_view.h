/// The matrices that a parameter of two dimensions or more is.
#pragma once

#include <compare>
#include <cstdint>

#include <ATen/core/Tensor.h>

#include "shardopt/optim/muon_enums.h"

namespace shardopt::optim {

/// Whether each index of the leading dimensions has a matrix of its own.
[[nodiscard]] bool is_batched(int64_t dimensions, Flatten flatten);

struct MatrixShape {
  int64_t rows;
  int64_t cols;
  auto operator<=>(const MatrixShape&) const = default;
};

/// Of each matrix of a tensor of these sizes.
[[nodiscard]] MatrixShape matrix_shape(at::IntArrayRef sizes, Flatten flatten);

/// [batch, rows, cols]; a view where strides allow.
[[nodiscard]] at::Tensor as_matrices(const at::Tensor& tensor, Flatten flatten);

/// The way back, to the shape `sizes`.
[[nodiscard]] at::Tensor from_matrices(const at::Tensor& matrices,
                                       at::IntArrayRef sizes, Flatten flatten);

}  // namespace shardopt::optim
