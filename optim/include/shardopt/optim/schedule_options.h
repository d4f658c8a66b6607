/// Options of learning-rate schedules.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shardopt/core/option.h"

namespace shardopt::optim {

enum class DecayShape : uint8_t { kCosine, kLinear, kSqrt };

/// Steps are optimizer steps.
struct ScheduleOptions {
  std::string name = "cosine";  ///< One of schedule_names().
  int64_t warmup_steps = 0;
  int64_t decay_steps = 0;   ///< 0: what remains of the run.
  int64_t stable_steps = 0;  ///< wsd: at full lr, after warm-up.
  double min_lr_ratio = 0.1;
  DecayShape wsd_decay = DecayShape::kCosine;
  double rex_alpha = 1.0;

  /// Throws ConfigError if a value is out of range.
  void validate() const;
};

[[nodiscard]] std::vector<Option> options_of(ScheduleOptions& options);

}  // namespace shardopt::optim
