/// Memory that units share for what lives only for a while.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace shardopt::distributed {

/// Hands out buffers of bytes and takes them back. Units have few sizes, so after the
/// first steps nothing is allocated any more. A free buffer is taken for what is at
/// least half its size; one that has become too small for its kind is replaced.
///
/// Thread safety: none.
class BufferPool {
 public:
  explicit BufferPool(c10::Device device) : device_(device) {}

  /// At least `bytes` long, contents undefined, aligned as LibTorch aligns. [bytes]
  [[nodiscard]] at::Tensor acquire(int64_t bytes);
  void give_back(at::Tensor buffer);

  /// Held by the pool and its users together; the most so far; allocations so far.
  [[nodiscard]] int64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] int64_t peak_bytes() const noexcept { return peak_bytes_; }
  [[nodiscard]] int64_t allocations() const noexcept { return allocations_; }

 private:
  c10::Device device_;
  std::vector<at::Tensor> free_;
  int64_t bytes_ = 0;
  int64_t peak_bytes_ = 0;
  int64_t allocations_ = 0;
};

/// The first `numel` entries of a buffer, seen as `dtype`. [numel]
[[nodiscard]] at::Tensor view_as(const at::Tensor& buffer, at::ScalarType dtype,
                                 int64_t numel);

}  // namespace shardopt::distributed
