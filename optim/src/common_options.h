/// Options that several algorithms have.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shardopt/core/option.h"
#include "shardopt/optim/adam_options.h"
#include "shardopt/optim/update_rules.h"

namespace shardopt::optim {

/// Throws ConfigError if lr, weight_decay, one of the rules or of options_of(options)
/// is not allowed.
template <typename Options>
void check_all(std::string_view owner, Options options) {
  std::vector<Option> list = options_of(options);
  list.push_back(make_option("lr", options.lr, kNonNegative, ""));
  list.push_back(make_option("weight_decay", options.weight_decay, kNonNegative, ""));
  check_options(owner, list);
  check_options(owner, options_of(options.rules));
}

inline std::vector<std::pair<std::string, EpsForm>> eps_forms() {
  return {{"standard", EpsForm::kStandard}, {"hat", EpsForm::kHat}};
}

inline constexpr char kEpsFormHelp[] =
    "standard: eps beside the bias-corrected root; hat: beside the root as it is, "
    "which "
    "makes it smaller in early steps (Keras, Moonlight).";

}  // namespace shardopt::optim
