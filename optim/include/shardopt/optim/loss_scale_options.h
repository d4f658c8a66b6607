/// Options of loss scaling.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "shardopt/core/option.h"

namespace shardopt::optim {

enum class LossScaleMode : uint8_t { kNone, kStatic, kDynamic };

/// Scales lie in [2^-126, 2^127], the powers of two that a normal fp32 number can be.
struct LossScaleOptions {
  LossScaleMode mode = LossScaleMode::kNone;
  /// static: must be given; dynamic: the first one, 2^15 if unset.
  std::optional<double> scale{};
  int64_t growth_steps = 2000;  ///< Updates without a skip, after which it grows.
  double growth_factor = 2.0;
  double backoff_factor = 0.5;
  double min_scale = 0x1p-126;

  /// Throws ConfigError if a value is out of range, a static scale is unset, an option
  /// is set that the mode does not have, or the first scale is below `min_scale`.
  void validate() const;
};

[[nodiscard]] std::vector<Option> options_of(LossScaleOptions& options);

}  // namespace shardopt::optim
