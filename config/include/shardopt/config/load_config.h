/// From a file and the command line to a TrainConfig.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "shardopt/config/train_config.h"

namespace shardopt::config {

/// A larger file is refused before it is read.
inline constexpr int64_t kMaxFileBytes = 4 << 20;
/// More entries of `optimizer.group` or `transform` than this are refused.
inline constexpr int64_t kMaxEntries = 256;

/// A configuration in memory, in JSON.
struct JsonText {
  std::string name{};  ///< What messages begin with; may be empty.
  std::string text;
};

struct ConfigSources {
  /// Protobuf text format, or JSON if its name ends in ".json" or it starts with '{'.
  std::optional<std::filesystem::path> file{};
  /// "path=value" each, as "optimizer.lr=0.01"; text needs no quotes, "unset" clears
  /// an optional number. Entries of lists: "optimizer.group[0].lr=0.1" changes one, or
  /// appends it if the index is their number; "optimizer.options.NAME=value" takes
  /// true, false, a whole number, a number or else a text.
  std::vector<std::string> overrides{};
  /// In place of `file`.
  std::optional<JsonText> json{};
};

/// Defaults, changed by the file, changed by the overrides in their order. A preset,
/// optimizer.muon.preset, changes the defaults, wherever it is named. With a transform
/// that clips, train.clip_norm is 0 unless it is given.
///
/// Each value is of its type and range; whether values fit each other and the ranks
/// is for check_config to say.
///
/// Throws ConfigError, one line that names the file and line or the override, the
/// field, its value and what is allowed.
[[nodiscard]] TrainConfig load_config(const ConfigSources& sources);

}  // namespace shardopt::config
