/// The folder that a run leaves behind.
#pragma once

#include <filesystem>
#include <string>

#include "shardopt/config/train_config.h"

namespace shardopt::train {

inline constexpr char kConfigFile[] = "config.txtpb";
inline constexpr char kMetricsFile[] = "metrics.csv";
inline constexpr char kWeightsFile[] = "model.safetensors";
inline constexpr char kSampleFile[] = "sample.txt";
inline constexpr char kEventsFolder[] = "tensorboard";

/// Creates `options.path` (with its parents) and makes sure that files can be written
/// there. A run that it holds already stays if this one goes on from it (`is_resumed`),
/// and is removed if `options.overwrite`, or if it is an earlier attempt of this job;
/// nothing else there is touched.
///
/// Throws ConfigError, naming output.path, its value and the cause, if it cannot be
/// created or written to, is no folder, or holds a run that may not be overwritten.
void prepare_output_folder(const config::OutputOptions& options,
                           bool is_restarted = false, bool is_resumed = false);

/// Replaces `path` by a file of these bytes. Throws ConfigError naming the path.
void write_text_file(const std::filesystem::path& path, const std::string& text);

}  // namespace shardopt::train
