/// Memory that units share for what lives only for a while.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include <ATen/core/Tensor.h>

namespace shardopt::distributed {

/// Hands out buffers of bytes and takes them back. Sizes are rounded up to one of 32
/// per doubling, and buffers of one size are alike: the pool holds, of each
/// size, as many as were ever in use at once. So whoever repeats a sequence of calls
/// allocates only in the first pass.
///
/// Thread safety: none.
class BufferPool {
 public:
  explicit BufferPool(c10::Device device) : device_(device) {}

  /// At least `bytes` long, contents undefined, aligned as LibTorch aligns.
  [[nodiscard]] at::Tensor acquire(int64_t bytes);
  /// Of what `acquire` returned; nothing if it is undefined.
  void give_back(at::Tensor buffer);

  /// Memory that is not given back. It counts as an allocation, not as the pool's
  /// bytes.
  [[nodiscard]] at::Tensor allocate(int64_t bytes);

  /// Held by the pool and its users together, never less than before; allocations so
  /// far.
  [[nodiscard]] int64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] int64_t allocations() const noexcept { return allocations_; }

 private:
  c10::Device device_;
  std::map<int64_t, std::vector<at::Tensor>> free_;  // by bytes
  int64_t bytes_ = 0;
  int64_t allocations_ = 0;
};

/// The first `numel` entries of a buffer, seen as `dtype`. [numel]
[[nodiscard]] at::Tensor view_as(const at::Tensor& buffer, at::ScalarType dtype,
                                 int64_t numel);

}  // namespace shardopt::distributed
