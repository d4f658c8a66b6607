#include "shardopt/optim/lion.h"

#include <utility>

#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_sign.h>

#include "take_step.h"

namespace shardopt::optim {
namespace {

constexpr char kMomentum[] = "momentum";

}  // namespace

Lion::Lion(std::vector<ParamGroup<LionOptions>> groups)
    : GroupedOptimizer("lion", std::move(groups), [](const LionOptions&) {
        return std::vector<Slot>{{kMomentum}};
      }) {}

void Lion::update(GroupTensors& tensors, const LionOptions& options,
                  ScalarSums& sums) const {
  const Tensors& momentum = tensors.slots.at(kMomentum);  // m
  Tensors directions =
      at::_foreach_lerp(momentum, tensors.grads, 1.0 - options.beta1);  // c
  at::_foreach_sign_(directions);
  at::_foreach_lerp_(momentum, tensors.grads, 1.0 - options.beta2);
  take_step(tensors, std::move(directions), step_size(options), options.rules,
            kCautionEps, sums);
}

}  // namespace shardopt::optim
