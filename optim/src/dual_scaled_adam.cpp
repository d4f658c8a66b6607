#include "shardopt/optim/dual_scaled_adam.h"

#include <algorithm>
#include <span>
#include <utility>

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "adam_moments.h"
#include "common_options.h"

namespace shardopt::optim {
namespace {

Tensors numerators(const GroupTensors& tensors, const DualScaledAdamOptions& options) {
  const Tensors& m = tensors.slots.at(kFirstMoment);
  const double beta1 = options.beta1;
  if (!options.nesterov) {
    return at::_foreach_mul(m, inverse_biases(beta1, tensors.steps));
  }
  return mixed(tensors, m, [&](int64_t t) { return next_step_weights(beta1, t); });
}

Tensors divisors(const GroupTensors& tensors, const DualScaledAdamOptions& options) {
  Tensors result = at::_foreach_mul(tensors.slots.at(kSecondMoment),
                                    inverse_biases(options.beta2, tensors.steps));
  at::_foreach_add_(result, options.eps_root);
  at::_foreach_sqrt_(result);
  at::_foreach_add_(result, options.eps);
  return result;
}

// This rank's shares of <mh, u>; nothing for what is not scaled.  // [n]
at::Tensor shares_of(const GroupTensors& tensors, const Tensors& numerators,
                     const Tensors& directions) {
  Tensors shares;
  for (std::size_t i = 0; i < directions.size(); ++i) {
    const bool is_scaled = tensors.rows[i].dim() == 2;
    shares.push_back(is_scaled
                         ? numerators[i].mul(directions[i]).sum(at::kDouble)
                         : at::zeros({}, numerators[i].options().dtype(at::kDouble)));
  }
  return at::stack(shares);
}

}  // namespace

void DualScaledAdamOptions::validate() const { check_all("dual_scaled_adam", *this); }

std::vector<Option> options_of(DualScaledAdamOptions& options) {
  return {
      make_option("beta1", options.beta1, kFraction,
                  "Decay of the mean of gradients, per step."),
      make_option("beta2", options.beta2, kFraction,
                  "Decay of the mean of squared gradients, per step."),
      make_option("eps", options.eps, kPositive,
                  "Added to the root of the mean square, in units of the gradient."),
      make_option("eps_root", options.eps_root, kNonNegative,
                  "Added to the mean square, inside the root."),
      make_option("nesterov", options.nesterov,
                  "Look one step ahead: beta1 m / (1 - beta1^(t+1)) + (1 - beta1) g / "
                  "(1 - beta1^t)."),
  };
}

DualScaledAdam::DualScaledAdam(std::vector<ParamGroup<DualScaledAdamOptions>> groups)
    : GroupedOptimizer(
          "dual_scaled_adam", std::move(groups),
          [](const DualScaledAdamOptions&) { return moment_slots(false); }) {}

void DualScaledAdam::update(GroupTensors& tensors, const DualScaledAdamOptions& options,
                            ScalarSums& sums) const {
  update_first_moment(tensors, options.beta1);
  update_second_moment(tensors, options.beta2);
  const Tensors momentum = numerators(tensors, options);                        // mh
  Tensors directions = at::_foreach_div(momentum, divisors(tensors, options));  // u
  at::Tensor shares = shares_of(tensors, momentum, directions);
  sums.add(std::move(shares), [&tensors, &options, &sums,
                               directions = std::move(directions)](
                                  std::span<const double> products) {
    std::vector<at::Scalar> factors;
    for (std::size_t i = 0; i < products.size(); ++i) {
      const bool is_scaled = tensors.rows[i].dim() == 2;
      factors.emplace_back(is_scaled ? std::clamp(products[i], -1.0, 1.0) : 1.0);
    }
    take_step(tensors, at::_foreach_mul(directions, factors), step_size(options),
              options.rules, options.eps, sums);
  });
}

}  // namespace shardopt::optim
