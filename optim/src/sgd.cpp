#include "shardopt/optim/sgd.h"

#include <utility>

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>

#include "common_options.h"
#include "shardopt/core/error.h"
#include "take_step.h"

namespace shardopt::optim {
namespace {

constexpr char kMomentum[] = "momentum";

std::vector<Slot> slots_of(const SgdOptions& options) {
  if (options.momentum == 0.0) return {};
  return {{kMomentum}};
}

Tensors directions_of(GroupTensors& tensors, const SgdOptions& options) {
  if (options.momentum == 0.0) return tensors.grads;
  const Tensors& momentum = tensors.slots.at(kMomentum);  // m
  at::_foreach_mul_(momentum, options.momentum);
  at::_foreach_add_(momentum, tensors.grads);
  if (!options.nesterov) return momentum;
  return at::_foreach_add(tensors.grads, momentum, options.momentum);
}

}  // namespace

void SgdOptions::validate() const {
  check_all("sgd", *this);
  if (nesterov && momentum == 0.0) {
    SHARDOPT_THROW(ConfigError,
                   "sgd: nesterov is true, but momentum is 0; allowed: momentum > 0");
  }
}

std::vector<Option> options_of(SgdOptions& options) {
  return {
      make_option("momentum", options.momentum, kFraction,
                  "Decay of the momentum, m = momentum m + gradient; 0: none."),
      make_option("nesterov", options.nesterov,
                  "Step along gradient + momentum m instead of m."),
  };
}

Sgd::Sgd(std::vector<ParamGroup<SgdOptions>> groups)
    : GroupedOptimizer("sgd", std::move(groups), slots_of) {}

void Sgd::update(GroupTensors& tensors, const SgdOptions& options,
                 ScalarSums& sums) const {
  take_step(tensors, directions_of(tensors, options), step_size(options), options.rules,
            kCautionEps, sums);
}

}  // namespace shardopt::optim
