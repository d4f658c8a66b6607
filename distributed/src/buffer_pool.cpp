#include "buffer_pool.h"

#include <algorithm>
#include <bit>
#include <utility>

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

namespace shardopt::distributed {
namespace {

constexpr int64_t kSizesPerDoubling = 32;  // so at most 1/32 is wasted
constexpr int64_t kLeastStep = 64;

int64_t rounded_up(int64_t bytes) {
  const auto power = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(bytes)));
  const int64_t step = std::max(kLeastStep, power / kSizesPerDoubling);
  return (bytes + step - 1) / step * step;
}

}  // namespace

at::Tensor BufferPool::acquire(int64_t bytes) {
  const int64_t size = rounded_up(bytes);
  std::vector<at::Tensor>& alike = free_[size];
  if (alike.empty()) {
    bytes_ += size;
    return allocate(size);
  }
  at::Tensor buffer = std::move(alike.back());
  alike.pop_back();
  return buffer;
}

void BufferPool::give_back(at::Tensor buffer) {
  if (!buffer.defined()) return;
  std::vector<at::Tensor>& alike = free_[buffer.numel()];
  alike.push_back(std::move(buffer));
}

at::Tensor BufferPool::allocate(int64_t bytes) {
  // A tensor made inside InferenceMode could not be written to outside it.
  const c10::InferenceMode normal(false);
  ++allocations_;
  return at::empty({bytes}, at::TensorOptions().dtype(at::kByte).device(device_));
}

at::Tensor view_as(const at::Tensor& buffer, at::ScalarType dtype, int64_t numel) {
  const auto bytes = numel * static_cast<int64_t>(c10::elementSize(dtype));
  return buffer.narrow(0, 0, bytes).view(dtype);
}

}  // namespace shardopt::distributed
