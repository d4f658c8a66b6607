#include "schedule_free.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_mul.h>

namespace shardopt::optim {

std::map<std::string, double> schedule_free_progress() {
  return {{kWeightSum, 0.0}, {kLargestLr, 0.0}};
}

void begin_z(GroupTensors& tensors) {
  const Tensors& z = tensors.slots.at(kZ);
  for (std::size_t i = 0; i < z.size(); ++i) {
    if (tensors.steps[i] == 1) z[i].copy_(tensors.rows[i]);
  }
}

double warmed_lr(double lr, int64_t warmup_steps, const GroupProgress& progress) {
  if (progress.updates >= warmup_steps) return lr;
  return lr * static_cast<double>(progress.updates) / static_cast<double>(warmup_steps);
}

double official_share(double lr, double r, double power, GroupProgress& progress) {
  double& largest = progress.values.at(kLargestLr);
  double& sum = progress.values.at(kWeightSum);
  largest = std::max(largest, lr);
  const double weight =
      std::pow(static_cast<double>(progress.updates), r) * std::pow(largest, power);
  sum += weight;
  return sum == 0.0 ? 0.0 : weight / sum;
}

double kempner_share(double lr, double beta1, GroupProgress& progress) {
  double& sum = progress.values.at(kWeightSum);
  const double weight = lr * (1.0 - beta1);
  sum += weight;
  return sum == 0.0 ? 1.0 : weight / sum;
}

void move_points(const GroupTensors& tensors, const Tensors& directions,
                 const PointStep& step) {
  const Tensors& y = tensors.rows;
  const Tensors& z = tensors.slots.at(kZ);
  const double keep = 1.0 - step.share;
  at::_foreach_add_(y, z, step.beta1 - 1.0);  // beta1 x
  at::_foreach_mul_(y, keep);
  at::_foreach_add_(z, directions, -step.lr);
  if (!step.z_factors.empty()) at::_foreach_addcmul_(z, z, step.z_factors, -1.0);
  at::_foreach_add_(y, z, 1.0 - step.beta1 * keep);
}

at::Tensor average_of(const at::Tensor& y, const at::Tensor& z, double beta1) {
  return y.lerp(z, 1.0 - 1.0 / beta1);
}

}  // namespace shardopt::optim
