/// What Schedule-Free optimizers share: the points y, z and x.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/ops/_foreach_add.h>

#include "shardopt/optim/group.h"
#include "take_step.h"

namespace shardopt::optim {

inline constexpr char kZ[] = "z";
inline constexpr char kWeightSum[] = "weight_sum";
inline constexpr char kLargestLr[] = "lr_max";

/// First values of a group's progress.
[[nodiscard]] std::map<std::string, double> schedule_free_progress();

/// z of a parameter in its first update is its rows.
void begin_z(GroupTensors& tensors);

/// lr of the group's update, warm-up included.
[[nodiscard]] double warmed_lr(double lr, int64_t warmup_steps,
                               const GroupProgress& progress);

/// The weight of the new z in the average, t^r (largest lr)^power over the sum of all
/// up to it; 0 while that is 0. Counts it.
[[nodiscard]] double official_share(double lr, double r, double power,
                                    GroupProgress& progress);

/// The same with weight lr (1 - beta1); 1 while the sum is 0, so that x is z.
[[nodiscard]] double kempner_share(double lr, double beta1, GroupProgress& progress);

struct PointStep {
  double lr;
  double beta1;
  double share;
  Tensors z_factors{};  ///< z is multiplied by 1 - each of these after its step.
};

/// z -= lr d, z *= 1 - z_factors; then with x = (y - (1 - beta1) z) / beta1 of before,
/// x = (1 - share) x + share z and y = (1 - beta1) z + beta1 x. x is never formed.
void move_points(const GroupTensors& tensors, const Tensors& directions,
                 const PointStep& step);

/// An update of the official form, decay at y within the step; `beta1` is the share of
/// the average in the weights that train.
template <typename Options>
void move_official(GroupTensors& tensors, Tensors directions, const Options& options,
                   double beta1) {
  const double lr = warmed_lr(options.lr, options.warmup_steps, *tensors.progress);
  if (options.weight_decay != 0.0) {
    directions = at::_foreach_add(
        directions, decay_of(tensors, directions, options.weight_decay, options.rules));
  }
  const double share =
      official_share(lr, options.r, options.weight_lr_power, *tensors.progress);
  move_points(tensors, directions, {lr, beta1, share});
}

/// x of rows y.
[[nodiscard]] at::Tensor average_of(const at::Tensor& y, const at::Tensor& z,
                                    double beta1);

}  // namespace shardopt::optim
