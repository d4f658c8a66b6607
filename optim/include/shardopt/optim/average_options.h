/// Options of weight averaging.
#pragma once

#include <cstdint>
#include <vector>

#include "shardopt/core/option.h"

namespace shardopt::optim {

enum class AverageMode : uint8_t { kNone, kEma };

struct AverageOptions {
  AverageMode mode = AverageMode::kNone;
  double momentum = 0.99;       ///< Share of the old average, per update.
  int64_t overwrite_every = 0;  ///< Updates; 0: never.

  /// Throws ConfigError if a value is out of range, or one is set that mode none does
  /// not have.
  void validate() const;
};

[[nodiscard]] std::vector<Option> options_of(AverageOptions& options);

}  // namespace shardopt::optim
