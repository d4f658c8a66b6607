#include "shardopt/optim/schedule_free_adamw.h"

#include <cmath>
#include <utility>

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/_foreach_sub.h>
#include <ATen/ops/full_like.h>

#include "adam_moments.h"
#include "schedule_free.h"

namespace shardopt::optim {
namespace {

using Options = ScheduleFreeAdamWOptions;

std::vector<Slot> slots_of(const Options&) { return {{kZ}, {kSecondMoment}}; }

// g over its bias-corrected root mean square.
Tensors directions_of(GroupTensors& tensors, const Options& options) {
  update_second_moment(tensors, options.beta2);
  Tensors roots = at::_foreach_sqrt(tensors.slots.at(kSecondMoment));
  const double scale = 1.0 / std::sqrt(bias(options.beta2, tensors.progress->updates));
  at::_foreach_mul_(roots, scale);
  at::_foreach_add_(roots, options.eps);
  return at::_foreach_div(tensors.grads, roots);
}

void move_kempner(GroupTensors& tensors, const Tensors& directions,
                  const Options& options) {
  const double lr = warmed_lr(options.lr, options.warmup_steps, *tensors.progress);
  const double decay = lr * options.weight_decay;
  PointStep step{lr, options.beta1,
                 kempner_share(lr, options.beta1, *tensors.progress)};
  if (decay != 0.0) {
    for (std::size_t i = 0; i < directions.size(); ++i) {
      at::Tensor factors = at::full_like(directions[i], decay);
      if (options.rules.cautious_decay) {
        factors.mul_(directions[i].mul(tensors.rows[i]).ge(0.0));
      }
      step.z_factors.push_back(std::move(factors));
    }
  }
  move_points(tensors, directions, step);
}

void move_keras(GroupTensors& tensors, const Tensors& directions,
                const Options& options) {
  const double lr = warmed_lr(options.lr, options.warmup_steps, *tensors.progress);
  const double decay = options.lr * options.weight_decay;
  if (decay != 0.0) {
    at::_foreach_sub_(tensors.rows,
                      decay_of(tensors, directions, decay, options.rules));
  }
  const double share = 1.0 / static_cast<double>(tensors.progress->updates);
  move_points(tensors, directions, {lr, options.beta1, share});
}

void move(GroupTensors& tensors, Tensors directions, const Options& options) {
  switch (options.form) {
    case ScheduleFreeForm::kOfficial:
      return move_official(tensors, std::move(directions), options, options.beta1);
    case ScheduleFreeForm::kKempner:
      return move_kempner(tensors, directions, options);
    case ScheduleFreeForm::kKeras:
      return move_keras(tensors, directions, options);
  }
}

}  // namespace

ScheduleFreeAdamW::ScheduleFreeAdamW(
    std::vector<ParamGroup<ScheduleFreeAdamWOptions>> groups)
    : GroupedOptimizer("schedule_free_adamw", std::move(groups), slots_of,
                       schedule_free_progress()) {}

void ScheduleFreeAdamW::update(GroupTensors& tensors, const Options& options,
                               ScalarSums& sums) const {
  begin_z(tensors);
  Tensors directions = directions_of(tensors, options);
  const Tensors signs = directions;
  with_caution(tensors, std::move(directions), signs, options.rules, options.eps, sums,
               [&tensors, &options](Tensors cautious) {
                 move(tensors, std::move(cautious), options);
               });
}

at::Tensor ScheduleFreeAdamW::evaluation_rows(std::size_t group, const at::Tensor& rows,
                                              const Slots& slots) const {
  return average_of(rows, slots.at(kZ), options(group).beta1);
}

}  // namespace shardopt::optim
