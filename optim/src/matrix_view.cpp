#include "matrix_view.h"

namespace shardopt::optim {
namespace {

constexpr int64_t kConvDimensions = 4;

int64_t product(at::IntArrayRef sizes) {
  int64_t result = 1;
  for (const int64_t size : sizes) result *= size;
  return result;
}

bool is_hwio(int64_t dimensions, Flatten flatten) {
  return flatten == Flatten::kConvHwio && dimensions == kConvDimensions;
}

}  // namespace

bool is_batched(int64_t dimensions, Flatten flatten) {
  if (flatten == Flatten::kBatched) return dimensions > 2;
  return flatten == Flatten::kBatched3d && dimensions == 3;
}

MatrixShape matrix_shape(at::IntArrayRef sizes, Flatten flatten) {
  const std::size_t dimensions = sizes.size();
  if (is_batched(static_cast<int64_t>(dimensions), flatten)) {
    return {sizes[dimensions - 2], sizes[dimensions - 1]};
  }
  if (is_hwio(static_cast<int64_t>(dimensions), flatten)) {
    return {sizes[3], product(sizes.slice(0, 3))};
  }
  return {sizes[0], product(sizes.slice(1))};
}

at::Tensor as_matrices(const at::Tensor& tensor, Flatten flatten) {
  const at::IntArrayRef sizes = tensor.sizes();
  const auto [rows, cols] = matrix_shape(sizes, flatten);
  const bool is_batch = is_batched(tensor.dim(), flatten);
  const int64_t batch = is_batch ? product(sizes.slice(0, sizes.size() - 2)) : 1;
  // (h, w, in, out) to (out, h w in)
  if (is_hwio(tensor.dim(), flatten)) {
    return tensor.permute({3, 0, 1, 2}).reshape({batch, rows, cols});
  }
  return tensor.reshape({batch, rows, cols});
}

at::Tensor from_matrices(const at::Tensor& matrices, at::IntArrayRef sizes,
                         Flatten flatten) {
  if (!is_hwio(static_cast<int64_t>(sizes.size()), flatten)) {
    return matrices.reshape(sizes);
  }
  return matrices.reshape({sizes[3], sizes[0], sizes[1], sizes[2]})
      .permute({1, 2, 3, 0})
      .contiguous();
}

}  // namespace shardopt::optim
