/// TensorBoard's events as bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace shardopt::train {

struct Scalar {
  std::string tag;
  double value = 0.0;  ///< Kept as fp32: that is what the format has.
};

/// The event that every file begins with. `wall_time` is in seconds since 1970.
[[nodiscard]] std::string encode_file_version(double wall_time);

/// Says that events of `step` and later ones, of earlier files, are void.
[[nodiscard]] std::string encode_session_start(double wall_time, int64_t step);

/// All scalars of one step.
[[nodiscard]] std::string encode_scalars(double wall_time, int64_t step,
                                         std::span<const Scalar> scalars);

}  // namespace shardopt::train
