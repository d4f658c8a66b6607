/// What Adam and its relatives share: moments and their bias corrections.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "shardopt/optim/adam_options.h"
#include "shardopt/optim/group.h"
#include "take_step.h"

namespace shardopt::optim {

inline constexpr char kFirstMoment[] = "exp_avg";           // m
inline constexpr char kSecondMoment[] = "exp_avg_sq";       // v
inline constexpr char kLargestSecond[] = "max_exp_avg_sq";  // max of v, amsgrad

[[nodiscard]] std::vector<Slot> moment_slots(bool amsgrad);

/// 1 - beta^t.
[[nodiscard]] double bias(double beta, int64_t t);

/// 1 / (1 - beta^t) for each parameter's t.
[[nodiscard]] std::vector<at::Scalar> inverse_biases(double beta,
                                                     const std::vector<int64_t>& steps);

/// m = beta1 m + (1 - beta1) g, in place.
void update_first_moment(GroupTensors& tensors, double beta1);

/// v = beta2 v + (1 - beta2) g^2, in place.
void update_second_moment(GroupTensors& tensors, double beta2);

/// Factors of a moment and of the gradient in a direction that looks ahead.
struct MixWeights {
  double momentum = 0.0;
  double gradient = 0.0;
};

/// Of beta m / (1 - beta^(t+1)) + (1 - beta) g / (1 - beta^t).
[[nodiscard]] MixWeights next_step_weights(double beta, int64_t t);

/// weights.momentum m + weights.gradient g, by each parameter's t.
[[nodiscard]] Tensors mixed(const GroupTensors& tensors, const Tensors& m,
                            const std::function<MixWeights(int64_t t)>& weights_of);

/// Divisors of bias-corrected first moments: with bias b = 1 - beta2^t of each
/// parameter, sqrt(v / b) + eps, or for kHat (sqrt(v) + eps) / sqrt(b); v being its
/// largest so far with amsgrad.
[[nodiscard]] Tensors denominators(GroupTensors& tensors, double beta2, double eps,
                                   EpsForm form, bool amsgrad);

}  // namespace shardopt::optim
