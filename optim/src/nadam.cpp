#include "shardopt/optim/nadam.h"

#include <cmath>
#include <map>
#include <utility>

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_mul.h>

#include "adam_moments.h"

namespace shardopt::optim {
namespace {

// Factors of m and g in a direction's numerator.
struct Weights {
  double momentum = 0.0;
  double gradient = 0.0;
};

Weights simple_weights(double beta1, int64_t t) {
  const double scale = 1.0 / bias(beta1, t);
  return {beta1 * scale, (1.0 - beta1) * scale};
}

// Of Dozat's schedule, mu_t.
double scheduled_momentum(double beta1, int64_t t) {
  return beta1 * (1.0 - 0.5 * std::pow(0.96, static_cast<double>(t)));
}

// mu_1 ... mu_t. Below 1e-300 after a few thousand steps, where it ends the loop.
double momentum_product(double beta1, int64_t t) {
  double product = 1.0;
  for (int64_t i = 1; i <= t && product > 1e-300; ++i) {
    product *= scheduled_momentum(beta1, i);
  }
  return product;
}

Weights keras_weights(double beta1, int64_t t) {
  const double product = momentum_product(beta1, t);
  const double now = scheduled_momentum(beta1, t);
  const double next = scheduled_momentum(beta1, t + 1);
  return {next / (1.0 - product * next), (1.0 - now) / (1.0 - product)};
}

Weights weights_of(const NadamOptions& options, int64_t t) {
  return options.form == NadamForm::kKeras ? keras_weights(options.beta1, t)
                                           : simple_weights(options.beta1, t);
}

Tensors numerators(const GroupTensors& tensors, const NadamOptions& options) {
  std::vector<at::Scalar> of_momentum;
  std::vector<at::Scalar> of_gradient;
  std::map<int64_t, Weights> by_count;
  for (const int64_t t : tensors.steps) {
    const auto [it, is_new] = by_count.try_emplace(t);
    if (is_new) it->second = weights_of(options, t);
    of_momentum.emplace_back(it->second.momentum);
    of_gradient.emplace_back(it->second.gradient);
  }
  Tensors result = at::_foreach_mul(tensors.slots.at(kFirstMoment), of_momentum);
  at::_foreach_add_(result, at::_foreach_mul(tensors.grads, of_gradient));
  return result;
}

}  // namespace

Nadam::Nadam(std::vector<ParamGroup<NadamOptions>> groups, std::string kind)
    : GroupedOptimizer(std::move(kind), std::move(groups),
                       [](const NadamOptions& o) { return moment_slots(o.amsgrad); }) {}

void Nadam::update(GroupTensors& tensors, const NadamOptions& options,
                   ScalarSums& sums) const {
  update_first_moment(tensors, options.beta1);
  update_second_moment(tensors, options.beta2);
  Tensors directions = numerators(tensors, options);
  at::_foreach_div_(directions, denominators(tensors, options.beta2, options.eps,
                                             options.eps_form, options.amsgrad));
  take_step(tensors, std::move(directions), step_size(options), options.rules,
            options.eps, sums);
}

}  // namespace shardopt::optim
