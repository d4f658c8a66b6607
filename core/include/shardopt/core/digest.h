/// Numbers that tell whether two tensors or texts are the same bytes.
#pragma once

#include <cstdint>
#include <string_view>

namespace at {
class Tensor;
}

namespace shardopt {

/// Of the bytes, dtype and shape of `tensor` ([*], of any device). Two tensors that
/// differ in one aligned 8-byte word differ in this for certain, others but for a
/// chance of about 2^-64. The same on every machine of one byte order. No protection
/// against intent.
[[nodiscard]] uint64_t digest(const at::Tensor& tensor);
[[nodiscard]] uint64_t digest(std::string_view text);

}  // namespace shardopt
