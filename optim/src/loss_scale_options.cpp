#include "shardopt/optim/loss_scale_options.h"

#include <string>

#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

constexpr Range kScales{.min = 0x1p-126, .max = 0x1p127};

// Options that another mode than the chosen one has keep their defaults.
void check_unused(LossScaleOptions& options) {
  if (options.mode == LossScaleMode::kDynamic) return;
  const bool is_static = options.mode == LossScaleMode::kStatic;
  LossScaleOptions defaults;
  const std::vector<Option> untouched = options_of(defaults);
  const std::vector<Option> given = options_of(options);
  for (std::size_t i = 1; i < given.size(); ++i) {
    const bool is_used = is_static && given[i].name == "scale";
    if (is_used || given[i].get() == untouched[i].get()) continue;
    SHARDOPT_THROW(ConfigError, "loss_scale: ", given[i].name, " is ",
                   to_string(given[i].get()), ", but mode ",
                   is_static ? "static" : "none", " has no such option");
  }
}

}  // namespace

void LossScaleOptions::validate() const {
  LossScaleOptions copy = *this;
  check_options("loss_scale", options_of(copy));
  check_unused(copy);
  if (mode == LossScaleMode::kStatic && !scale) {
    SHARDOPT_THROW(ConfigError,
                   "loss_scale: scale is unset, but mode static needs it; "
                   "allowed: ",
                   kScales.text());
  }
  if (scale && *scale < min_scale) {
    SHARDOPT_THROW(ConfigError, "loss_scale: scale is ", *scale,
                   "; allowed: >= min_scale, ", min_scale);
  }
}

std::vector<Option> options_of(LossScaleOptions& options) {
  return {
      make_choice("mode", options.mode,
                  {{"none", LossScaleMode::kNone},
                   {"static", LossScaleMode::kStatic},
                   {"dynamic", LossScaleMode::kDynamic}},
                  "Whether the loss is multiplied before backward, and whether the "
                  "factor follows what overflows."),
      make_option("scale", options.scale, kScales,
                  "The factor; with dynamic the first one, 32768 if unset."),
      make_option("growth_steps", options.growth_steps, Range{.min = 1.0},
                  "dynamic: updates in a row without a skip after which it grows."),
      make_option(
          "growth_factor", options.growth_factor, Range{.min = 1.0, .min_open = true},
          "dynamic: what it is multiplied by then, unless that is above 2^127."),
      make_option("backoff_factor", options.backoff_factor,
                  Range{.min = 0.0, .max = 1.0, .min_open = true, .max_open = true},
                  "dynamic: what it is multiplied by when an update is skipped."),
      make_option("min_scale", options.min_scale, kScales,
                  "dynamic: below it, it does not fall."),
  };
}

}  // namespace shardopt::optim
