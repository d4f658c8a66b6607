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

at::Tensor as_matrices(const at::Tensor& tensor, Flatten flatten) {
  const at::IntArrayRef sizes = tensor.sizes();
  if (is_batched(tensor.dim(), flatten)) {
    const int64_t batch = product(sizes.slice(0, sizes.size() - 2));
    return tensor.reshape({batch, tensor.size(-2), tensor.size(-1)});
  }
  if (is_hwio(tensor.dim(), flatten)) {  // (h, w, in, out) to (out, h w in)
    const at::Tensor out_first = tensor.permute({3, 0, 1, 2});
    return out_first.reshape({1, sizes[3], product(sizes.slice(0, 3))});
  }
  return tensor.reshape({1, sizes[0], product(sizes.slice(1))});
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
