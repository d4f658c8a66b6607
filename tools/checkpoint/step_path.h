/// Steps by the paths that people give.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "shardopt/checkpoint/manifest.h"

namespace shardopt::checkpoint_tool {

struct OpenStep {
  std::filesystem::path folder;
  checkpoint::Manifest manifest;
};

/// `path` is a step folder, or a root: its newest sound step. Throws CheckpointFailure.
[[nodiscard]] OpenStep open(const std::filesystem::path& path);

/// Whether `path` is a step folder under any name.
[[nodiscard]] bool is_step(const std::filesystem::path& path);

/// "1.50 GB"; powers of 1000.
[[nodiscard]] std::string format_bytes(int64_t bytes);

/// "2026-11-25 08:30:00 UTC"
[[nodiscard]] std::string format_time(int64_t unix_ns);

/// "F32 [128, 64]"
[[nodiscard]] std::string format_shape(const checkpoint::StoredTensor& tensor);

/// A value of a state, numbers so that they read back to the same bits.
[[nodiscard]] std::string format_value(const StateValue& value);

}  // namespace shardopt::checkpoint_tool
