/// What is measured at each step, and its table.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "output_file.h"

namespace shardopt::train {

/// One optimizer step. What is unset was not measured in it.
struct StepMetrics {
  int64_t step = 0;              ///< Counted from 1.
  int64_t tokens = 0;            ///< Seen since training began, by all ranks.
  std::optional<double> loss{};  ///< Mean over the whole batch, nats per byte.
  std::optional<double>
      val_loss{};              ///< The same of the validation text, after the step.
  std::optional<double> lr{};  ///< In force during the step.
  std::optional<double> grad_norm{};          ///< Global, before clipping.
  std::optional<double> tokens_per_second{};  ///< Of all ranks together.
  std::optional<double> seconds{};            ///< Since training began.
};

/// metrics.csv: a header and one row per step. An empty cell was not measured; numbers
/// read back to the same bits; NaN and infinity are "nan", "inf" and "-inf".
class MetricsFile {
 public:
  /// Begins the file; after a resume from step `resumed` goes on with the rows up to
  /// it, without later ones and without one that was cut off.
  ///
  /// Both throw ConfigError, naming the path, if the disk refuses; this also if rows
  /// are to be kept under another header.
  explicit MetricsFile(const std::filesystem::path& path, int64_t resumed = 0);

  /// The row is in the file when this returns.
  void append(const StepMetrics& metrics);

 private:
  struct Kept {
    int64_t bytes;
  };
  MetricsFile(const std::filesystem::path& path, Kept kept);

  OutputFile file_;
};

}  // namespace shardopt::train
