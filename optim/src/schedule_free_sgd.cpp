#include "shardopt/optim/schedule_free_sgd.h"

#include <utility>

#include <ATen/ops/_foreach_add.h>

#include "schedule_free.h"

namespace shardopt::optim {
namespace {

using Options = ScheduleFreeSgdOptions;

void move(GroupTensors& tensors, Tensors directions, const Options& options) {
  const double lr = warmed_lr(options.lr, options.warmup_steps, *tensors.progress);
  if (options.weight_decay != 0.0) {
    directions = at::_foreach_add(
        directions, decay_of(tensors, directions, options.weight_decay, options.rules));
  }
  const double share =
      official_share(lr, options.r, options.weight_lr_power, *tensors.progress);
  move_points(tensors, directions, {lr, options.momentum, share});
}

}  // namespace

ScheduleFreeSgd::ScheduleFreeSgd(std::vector<ParamGroup<ScheduleFreeSgdOptions>> groups)
    : GroupedOptimizer(
          "schedule_free_sgd", std::move(groups),
          [](const Options&) { return std::vector<Slot>{{kZ}}; },
          schedule_free_progress()) {}

void ScheduleFreeSgd::update(GroupTensors& tensors, const Options& options,
                             ScalarSums& sums) const {
  begin_z(tensors);
  with_caution(tensors, tensors.grads, tensors.grads, options.rules, kCautionEps, sums,
               [&tensors, &options](Tensors cautious) {
                 move(tensors, std::move(cautious), options);
               });
}

at::Tensor ScheduleFreeSgd::evaluation_rows(std::size_t group, const at::Tensor& rows,
                                            const Slots& slots) const {
  return average_of(rows, slots.at(kZ), options(group).momentum);
}

}  // namespace shardopt::optim
