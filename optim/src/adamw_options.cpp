#include "shardopt/optim/adamw_options.h"

#include "common_options.h"

namespace shardopt::optim {

void AdamWOptions::validate() const { check_all("adamw", *this); }

std::vector<Option> options_of(AdamWOptions& options) {
  return {
      make_option("beta1", options.beta1, kFraction,
                  "Decay of the mean of gradients, per step."),
      make_option("beta2", options.beta2, kFraction,
                  "Decay of the mean of squared gradients, per step."),
      make_option("eps", options.eps, kPositive,
                  "Added to the root of the mean square, in units of the gradient."),
  };
}

}  // namespace shardopt::optim
