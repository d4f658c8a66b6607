/// What was said otherwise before.
#pragma once

#include <string>
#include <vector>

namespace shardopt::config {

/// The fields that differ between two texts of print_config, `before` perhaps an older
/// version's, in the order of `now`: "train.steps 100 -> 200". A field that one of them
/// lacks is "unset" there.
[[nodiscard]] std::vector<std::string> config_changes(const std::string& before,
                                                      const std::string& now);

}  // namespace shardopt::config
