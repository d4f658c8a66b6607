#include "shardopt/optim/schedule_free_sgd.h"

#include <utility>

#include "schedule_free.h"

namespace shardopt::optim {
namespace {

using Options = ScheduleFreeSgdOptions;

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
                 move_official(tensors, std::move(cautious), options, options.momentum);
               });
}

at::Tensor ScheduleFreeSgd::evaluation_rows(std::size_t group, const at::Tensor& rows,
                                            const Slots& slots) const {
  return average_of(rows, slots.at(kZ), options(group).momentum);
}

}  // namespace shardopt::optim
