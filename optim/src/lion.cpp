#include "shardopt/optim/lion.h"

#include <utility>

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sign.h>

namespace shardopt::optim {
namespace {

constexpr char kMomentum[] = "momentum";

}  // namespace

Lion::Lion(std::vector<ParamGroup<LionOptions>> groups)
    : GroupedOptimizer("lion", std::move(groups), {kMomentum}) {}

void Lion::update(GroupTensors& tensors, const LionOptions& options) const {
  const std::vector<at::Tensor>& momentum = tensors.slots.at(kMomentum);  // m
  std::vector<at::Tensor> direction =
      at::_foreach_lerp(momentum, tensors.grads, 1.0 - options.beta1);  // c
  at::_foreach_sign_(direction);
  at::_foreach_mul_(tensors.rows, 1.0 - options.lr * options.weight_decay);
  at::_foreach_add_(tensors.rows, direction, -options.lr);
  at::_foreach_lerp_(momentum, tensors.grads, 1.0 - options.beta2);
}

}  // namespace shardopt::optim
