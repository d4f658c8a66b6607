/// One value into a TrainConfig.
#pragma once

#include <string>
#include <string_view>

#include "option_tree.h"
#include "shardopt/config/train_config.h"

namespace shardopt::config {

/// Before the names that a user's own optimizer has given its options.
inline constexpr std::string_view kNamedValues = "optimizer.options.";

/// Sets the field at `path`, of `config`'s tree `root` or a named value, to `value`.
/// Returns what is wrong with the value, "" if nothing is. Throws c10::Error if the
/// tree has no such field: paths are checked against the schema before.
[[nodiscard]] std::string assign(TrainConfig& config, const Block& root,
                                 const std::string& path, const OptionValue& value);

/// `path` with every index replaced by 0.
[[nodiscard]] std::string first_entry(std::string_view path);

}  // namespace shardopt::config
