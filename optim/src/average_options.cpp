#include "shardopt/optim/average_options.h"

#include "shardopt/core/error.h"

namespace shardopt::optim {

void AverageOptions::validate() const {
  AverageOptions copy = *this;
  const std::vector<Option> given = options_of(copy);
  check_options("average", given);
  if (mode != AverageMode::kNone) return;
  AverageOptions defaults;
  const std::vector<Option> untouched = options_of(defaults);
  for (std::size_t i = 1; i < given.size(); ++i) {
    if (given[i].get() == untouched[i].get()) continue;
    SHARDOPT_THROW(ConfigError, "average: ", given[i].name, " is ",
                   to_string(given[i].get()), ", but mode none has no such option");
  }
}

std::vector<Option> options_of(AverageOptions& options) {
  return {
      make_choice("mode", options.mode,
                  {{"none", AverageMode::kNone}, {"ema", AverageMode::kEma}},
                  "Which average of the weights validation and export see; none: the "
                  "weights themselves."),
      make_option("momentum", options.momentum, kUnit,
                  "Share of the old average in the new one, per update."),
      make_option("overwrite_every", options.overwrite_every, kNonNegative,
                  "Updates after which the weights become the average, again and "
                  "again; 0: never."),
  };
}

}  // namespace shardopt::optim
