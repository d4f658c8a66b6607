/// From a Protobuf message to values by path.
#pragma once

#include <variant>

#include "parse_file.h"

namespace shardopt::config {

class Config;  // Generated.

/// What is set in `config`, with the lines in which `scan` found it; or the entry of
/// `optimizer.options` that lacks its name or value, or whose name is taken.
[[nodiscard]] std::variant<ParsedFile, FileProblem> flatten_message(
    const Config& config, const Scan& scan);

}  // namespace shardopt::config
