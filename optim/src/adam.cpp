#include "shardopt/optim/adam.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/scalar_tensor.h>

#include "adam_moments.h"

namespace shardopt::optim {
namespace {

// The kernel's form of step counts: an fp32 scalar for each; equal ones are shared.
Tensors as_tensors(const std::vector<int64_t>& steps, const at::Device& device) {
  std::map<int64_t, at::Tensor> by_count;
  Tensors result;
  for (const int64_t count : steps) {
    at::Tensor& shared = by_count[count];
    if (!shared.defined()) {
      shared = at::scalar_tensor(count, at::TensorOptions(at::kFloat).device(device));
    }
    result.push_back(shared);
  }
  return result;
}

bool have_one_count(const std::vector<int64_t>& steps) {
  return std::ranges::adjacent_find(steps, std::not_equal_to()) == steps.end();
}

// Whether the kernel does what the options say.
bool is_fused(const GroupTensors& tensors, const AdamOptions& options) {
  const UpdateRules& rules = options.rules;
  if (rules.caution || rules.cautious_decay) return false;
  if (rules.decay_order != DecayOrder::kBefore) return false;
  return options.eps_form == EpsForm::kStandard || have_one_count(tensors.steps);
}

void update_fused(GroupTensors& tensors, const AdamOptions& options) {
  double weight_decay = options.weight_decay;
  if (options.rules.decay_lr) {  // The kernel has one lr for both.
    at::_foreach_mul_(tensors.rows, 1.0 - step_size(options).decay);
    weight_decay = 0.0;
  }
  double eps = options.eps;
  if (options.eps_form == EpsForm::kHat) {
    eps /= std::sqrt(bias(options.beta2, tensors.steps.front()));
  }
  const Tensors none;
  const at::Device device = tensors.rows.front().device();
  at::_fused_adamw_(tensors.rows, tensors.grads, tensors.slots.at(kFirstMoment),
                    tensors.slots.at(kSecondMoment),
                    options.amsgrad ? tensors.slots.at(kLargestSecond) : none,
                    as_tensors(tensors.steps, device), options.lr, options.beta1,
                    options.beta2, weight_decay, eps, options.amsgrad,
                    /*maximize=*/false);
}

}  // namespace

Adam::Adam(std::vector<ParamGroup<AdamOptions>> groups, std::string kind)
    : GroupedOptimizer(std::move(kind), std::move(groups),
                       [](const AdamOptions& o) { return moment_slots(o.amsgrad); }) {}

void Adam::update(GroupTensors& tensors, const AdamOptions& options,
                  ScalarSums& sums) const {
  if (is_fused(tensors, options)) return update_fused(tensors, options);
  update_first_moment(tensors, options.beta1);
  update_second_moment(tensors, options.beta2);
  Tensors directions = at::_foreach_mul(tensors.slots.at(kFirstMoment),
                                        inverse_biases(options.beta1, tensors.steps));
  at::_foreach_div_(directions, denominators(tensors, options.beta2, options.eps,
                                             options.eps_form, options.amsgrad));
  take_step(tensors, std::move(directions), step_size(options), options.rules,
            options.eps, sums);
}

}  // namespace shardopt::optim
