/// What rank 0 says and writes while a run goes on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "console.h"
#include "event_file.h"
#include "metrics.h"
#include "progress.h"
#include "shardopt/config/train_config.h"

namespace shardopt::train {

/// On ranks other than 0 every function does nothing. All but `line` and `warn` throw
/// ConfigError, naming the path, if the disk refuses.
class Reporter {
 public:
  /// `config` outlives this.
  Reporter(const config::TrainConfig& config, bool is_speaker);

  /// Begins the files of a run that goes on from step `resumed` (0: from none), for
  /// which the output folder has been prepared.
  void begin(int64_t resumed);

  void line(const std::string& text);
  /// To standard error.
  void warn(const std::string& text);
  void step(const StepMetrics& metrics);
  void sample(const std::string& text);

 private:
  const config::TrainConfig& config_;
  const bool is_speaker_;
  std::unique_ptr<Console> console_;
  std::unique_ptr<Progress> progress_;
  std::optional<std::filesystem::path> folder_;
  std::unique_ptr<MetricsFile> metrics_;
  std::unique_ptr<EventFile> events_;
};

}  // namespace shardopt::train
