#include "overwrite.h"

#include <utility>

#include <ATen/ops/_foreach_copy.h>

namespace shardopt::optim {

Overwrite::Overwrite(std::vector<Parameter> parameters)
    : GroupedOptimizer("overwrite", {{"all", std::move(parameters), {}}},
                       [](const OverwriteOptions&) { return std::vector<Slot>(); }) {}

void Overwrite::update(GroupTensors& tensors, const OverwriteOptions&,
                       ScalarSums&) const {
  at::_foreach_copy_(tensors.rows, tensors.grads);
}

}  // namespace shardopt::optim
