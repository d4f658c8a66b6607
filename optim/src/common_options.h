/// Options that every algorithm has.
#pragma once

#include <string_view>

#include "shardopt/core/option.h"

namespace shardopt::optim {

/// Throws ConfigError if lr, weight_decay or one of options_of(options) is not allowed.
template <typename Options>
void check_all(std::string_view owner, Options options) {
  std::vector<Option> list = options_of(options);
  list.push_back(make_option("lr", options.lr, kNonNegative, ""));
  list.push_back(make_option("weight_decay", options.weight_decay, kNonNegative, ""));
  check_options(owner, list);
}

}  // namespace shardopt::optim
