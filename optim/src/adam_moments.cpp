#include "adam_moments.h"

#include <cmath>
#include <map>

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_maximum.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sqrt.h>

namespace shardopt::optim {

std::vector<Slot> moment_slots(bool amsgrad) {
  std::vector<Slot> slots = {{kFirstMoment}, {kSecondMoment}};
  if (amsgrad) slots.push_back({kLargestSecond});
  return slots;
}

double bias(double beta, int64_t t) {
  return 1.0 - std::pow(beta, static_cast<double>(t));
}

std::vector<at::Scalar> inverse_biases(double beta, const std::vector<int64_t>& steps) {
  std::vector<at::Scalar> result;
  for (const int64_t t : steps) result.emplace_back(1.0 / bias(beta, t));
  return result;
}

void update_first_moment(GroupTensors& tensors, double beta1) {
  at::_foreach_lerp_(tensors.slots.at(kFirstMoment), tensors.grads, 1.0 - beta1);
}

void update_second_moment(GroupTensors& tensors, double beta2) {
  const Tensors& v = tensors.slots.at(kSecondMoment);
  at::_foreach_mul_(v, beta2);
  at::_foreach_addcmul_(v, tensors.grads, tensors.grads, 1.0 - beta2);
}

MixWeights next_step_weights(double beta, int64_t t) {
  return {beta / bias(beta, t + 1), (1.0 - beta) / bias(beta, t)};
}

Tensors mixed(const GroupTensors& tensors, const Tensors& m,
              const std::function<MixWeights(int64_t)>& weights_of) {
  std::vector<at::Scalar> of_momentum;
  std::vector<at::Scalar> of_gradient;
  std::map<int64_t, MixWeights> by_count;
  for (const int64_t t : tensors.steps) {
    const auto [it, is_new] = by_count.try_emplace(t);
    if (is_new) it->second = weights_of(t);
    of_momentum.emplace_back(it->second.momentum);
    of_gradient.emplace_back(it->second.gradient);
  }
  Tensors result = at::_foreach_mul(m, of_momentum);
  at::_foreach_add_(result, at::_foreach_mul(tensors.grads, of_gradient));
  return result;
}

Tensors denominators(GroupTensors& tensors, double beta2, double eps, EpsForm form,
                     bool amsgrad) {
  if (amsgrad) {
    at::_foreach_maximum_(tensors.slots.at(kLargestSecond),
                          tensors.slots.at(kSecondMoment));
  }
  Tensors roots =
      at::_foreach_sqrt(tensors.slots.at(amsgrad ? kLargestSecond : kSecondMoment));
  std::vector<at::Scalar> scales;
  for (const int64_t t : tensors.steps)
    scales.emplace_back(1.0 / std::sqrt(bias(beta2, t)));
  if (form == EpsForm::kHat) at::_foreach_add_(roots, eps);
  at::_foreach_mul_(roots, scales);
  if (form == EpsForm::kStandard) at::_foreach_add_(roots, eps);
  return roots;
}

}  // namespace shardopt::optim
