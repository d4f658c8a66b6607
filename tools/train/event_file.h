/// The same figures for TensorBoard.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "metrics.h"
#include "output_file.h"

namespace shardopt::train {

/// An event file in a folder that TensorBoard is pointed at. Tags are the names of
/// metrics.csv's columns, but for step (the axis) and seconds.
///
/// Both functions throw ConfigError, naming the path, if the disk refuses.
class EventFile {
 public:
  /// Creates `folder` if need be, and in it a file with a name of its own. After a
  /// resume from step `resumed` TensorBoard drops what earlier files have of later
  /// ones.
  explicit EventFile(const std::filesystem::path& folder, int64_t resumed = 0);

  /// The event is in the file when this returns.
  void append(const StepMetrics& metrics);

 private:
  void append_record(const std::string& event);

  OutputFile file_;
};

}  // namespace shardopt::train
