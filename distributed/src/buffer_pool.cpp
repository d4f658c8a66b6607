#include "buffer_pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

namespace shardopt::distributed {
namespace {

constexpr int64_t kMostWaste = 2;  // a buffer's size over what is asked for

}  // namespace

at::Tensor BufferPool::acquire(int64_t bytes) {
  const auto smaller = [](const at::Tensor& a, const at::Tensor& b) {
    return a.numel() < b.numel();
  };
  std::sort(free_.begin(), free_.end(), smaller);
  const auto fitting = std::find_if(free_.begin(), free_.end(), [&](const auto& free) {
    return bytes <= free.numel() && free.numel() <= kMostWaste * bytes;
  });
  if (fitting != free_.end()) {
    at::Tensor buffer = std::move(*fitting);
    free_.erase(fitting);
    return buffer;
  }
  const auto outgrown =
      std::find_if(free_.rbegin(), free_.rend(), [&](const auto& free) {
        return free.numel() < bytes && bytes <= kMostWaste * free.numel();
      });
  if (outgrown != free_.rend()) {
    bytes_ -= outgrown->numel();
    free_.erase(std::next(outgrown).base());
  }
  // A tensor made inside InferenceMode could not be written to outside it.
  const c10::InferenceMode normal(false);
  bytes_ += bytes;
  peak_bytes_ = std::max(peak_bytes_, bytes_);
  ++allocations_;
  return at::empty({bytes}, at::TensorOptions().dtype(at::kByte).device(device_));
}

void BufferPool::give_back(at::Tensor buffer) {
  if (buffer.defined()) free_.push_back(std::move(buffer));
}

at::Tensor view_as(const at::Tensor& buffer, at::ScalarType dtype, int64_t numel) {
  const auto bytes = numel * static_cast<int64_t>(c10::elementSize(dtype));
  return buffer.narrow(0, 0, bytes).view(dtype);
}

}  // namespace shardopt::distributed
