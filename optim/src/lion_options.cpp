#include "shardopt/optim/lion_options.h"

#include "common_options.h"

namespace shardopt::optim {

void LionOptions::validate() const { check_all("lion", *this); }

std::vector<Option> options_of(LionOptions& options) {
  return {
      make_option("beta1", options.beta1, kFraction,
                  "Share of the momentum in the direction whose sign is taken."),
      make_option("beta2", options.beta2, kFraction,
                  "Decay of the momentum itself, per step."),
  };
}

}  // namespace shardopt::optim
