/// Help for names that a user mistyped.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace shardopt {

/// Number of single-character insertions, deletions, substitutions and swaps of
/// neighbours that turn `a` into `b` (optimal string alignment distance).
[[nodiscard]] int edit_distance(std::string_view a, std::string_view b);

/// "; did you mean 'x'?" for the nearest of `known` if it is near, else "".
[[nodiscard]] std::string did_you_mean(std::string_view name,
                                       std::span<const std::string> known);

}  // namespace shardopt
