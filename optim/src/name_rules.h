/// What the names of parameters say.
#pragma once

#include <regex>
#include <string>
#include <string_view>

#include "shardopt/core/parameter.h"

namespace shardopt::optim {

/// "bias" is in the name, in any case.
[[nodiscard]] bool has_bias_name(const Parameter& parameter);

/// By role, or "embedding" is in the name, in any case.
[[nodiscard]] bool is_embedding(const Parameter& parameter);

/// Throws ConfigError, as "`field` '(' is not a regular expression: ...", if `pattern`
/// does not compile.
[[nodiscard]] std::regex compile_pattern(std::string_view field,
                                         const std::string& pattern);

}  // namespace shardopt::optim
