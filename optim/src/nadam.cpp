#include "shardopt/optim/nadam.h"

#include <cmath>
#include <utility>

#include <ATen/ops/_foreach_div.h>

#include "adam_moments.h"

namespace shardopt::optim {
namespace {

MixWeights simple_weights(double beta1, int64_t t) {
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

MixWeights keras_weights(double beta1, int64_t t) {
  const double product = momentum_product(beta1, t);
  const double now = scheduled_momentum(beta1, t);
  const double next = scheduled_momentum(beta1, t + 1);
  return {next / (1.0 - product * next), (1.0 - now) / (1.0 - product)};
}

MixWeights weights_of(const NadamOptions& options, int64_t t) {
  return options.form == NadamForm::kKeras ? keras_weights(options.beta1, t)
                                           : simple_weights(options.beta1, t);
}

}  // namespace

Nadam::Nadam(std::vector<ParamGroup<NadamOptions>> groups, std::string kind)
    : GroupedOptimizer(std::move(kind), std::move(groups),
                       [](const NadamOptions& o) { return moment_slots(o.amsgrad); }) {}

void Nadam::update(GroupTensors& tensors, const NadamOptions& options,
                   ScalarSums& sums) const {
  update_first_moment(tensors, options.beta1);
  update_second_moment(tensors, options.beta2);
  Tensors directions = mixed(tensors, tensors.slots.at(kFirstMoment), [&](int64_t t) {
    return weights_of(options, t);
  });  // numerators
  at::_foreach_div_(directions, denominators(tensors, options.beta2, options.eps,
                                             options.eps_form, options.amsgrad));
  take_step(tensors, std::move(directions), step_size(options), options.rules,
            options.eps, sums);
}

}  // namespace shardopt::optim
