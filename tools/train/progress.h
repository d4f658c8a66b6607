/// How far training is, as people want to read it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "metrics.h"

namespace shardopt::train {

class Console;

/// Says after each step where training stands: on a terminal as its live line, at most
/// ten times a second, in a log as a line every `log_every` steps. The first and the
/// last step and those with a validation loss become lines on both.
///
/// Thread safety: none.
class Progress {
 public:
  /// A run of `steps` steps, of which `first_step` - 1 are done. `console` outlives
  /// this. Throws c10::Error if `log_every` < 1.
  Progress(Console& console, int64_t steps, int64_t log_every, int64_t first_step = 1);

  /// `metrics.seconds` must be set: it is this object's clock.
  void update(const StepMetrics& metrics);

 private:
  [[nodiscard]] std::string text(const StepMetrics& metrics,
                                 const std::optional<double>& val_loss) const;
  [[nodiscard]] std::string time_left(const StepMetrics& metrics) const;

  Console& console_;
  const int64_t steps_;
  const int64_t log_every_;
  const int64_t first_step_;
  std::optional<double> val_loss_{};       // The last one.
  std::optional<double> drawn_seconds_{};  // When the live line was last drawn.
  std::optional<StepMetrics> first_{};
};

/// "1:05" (minutes, seconds), or "2:00:09" with hours.
[[nodiscard]] std::string format_duration(double seconds);

/// "1,234,567", rounded to a whole number.
[[nodiscard]] std::string format_thousands(double value);

}  // namespace shardopt::train
