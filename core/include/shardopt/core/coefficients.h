/// Published and derived coefficients of Newton-Schulz, by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shardopt/core/newton_schulz.h"

namespace shardopt {

/// Steps that belong together: each is made for what those before it leave.
struct CoefficientTable {
  std::string name;
  std::string source;  ///< Who made it, and for which singular values.
  std::vector<NewtonSchulzStep> rows;
  bool repeats = false;  ///< One row, for as many steps as are asked for.
};

/// All of them; the same list, in the same order, at every call.
[[nodiscard]] const std::vector<CoefficientTable>& coefficient_tables();

[[nodiscard]] std::vector<std::string> coefficient_names();

/// The steps of a table. `steps` unset: as many as the table has rows, 5 if it
/// repeats. Throws ConfigError if no table has this name (the message lists those
/// there are), if `steps` is below 1, and if a table that does not repeat has another
/// number of rows: a part of it converges to nothing in particular.
[[nodiscard]] std::vector<NewtonSchulzStep> coefficient_steps(
    std::string_view name, std::optional<int64_t> steps);

/// Reads "a,b,c; a,b,c": three finite numbers for each step, at least one step;
/// spaces do not matter. Throws ConfigError that names the row and what is wrong.
[[nodiscard]] std::vector<NewtonSchulzStep> parse_coefficients(std::string_view text);

}  // namespace shardopt
