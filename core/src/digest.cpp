#include "shardopt/core/digest.h"

#include <cstddef>
#include <cstring>

#include <ATen/core/Tensor.h>

namespace shardopt {
namespace {

constexpr uint64_t kStart = 0xcbf29ce484222325;
constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
constexpr uint64_t kOdd2 = 0xbf58476d1ce4e5b9;

// For a given `state` no two words, and for a given word no two states, give the same.
// Two rounds: after one, a change of the highest bit reaches only one bit of the next
// state, which the next word's highest bits could undo.
uint64_t mix(uint64_t state, uint64_t word) {
  state = (state ^ word) * kOdd;
  state = (state ^ (state >> 32)) * kOdd2;
  return state ^ (state >> 29);
}

uint64_t mix_bytes(uint64_t state, const void* data, std::size_t bytes) {
  const auto* next = static_cast<const std::byte*>(data);
  state = mix(state, bytes);
  uint64_t word = 0;
  for (; bytes >= sizeof word; bytes -= sizeof word, next += sizeof word) {
    std::memcpy(&word, next, sizeof word);
    state = mix(state, word);
  }
  word = 0;
  if (bytes > 0) std::memcpy(&word, next, bytes);
  return mix(state, word);
}

}  // namespace

uint64_t digest(std::string_view text) {
  return mix_bytes(kStart, text.data(), text.size());
}

uint64_t digest(const at::Tensor& tensor) {
  uint64_t state = mix(kStart, static_cast<uint64_t>(tensor.scalar_type()));
  for (const int64_t size : tensor.sizes()) {
    state = mix(state, static_cast<uint64_t>(size));
  }
  const at::Tensor bytes = tensor.detach().to(at::kCPU).contiguous();
  return mix_bytes(state, bytes.const_data_ptr(), bytes.nbytes());
}

}  // namespace shardopt
