#include "take_step.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/stack.h>

namespace shardopt::optim {
namespace {

constexpr double kSmallestShare = 1e-3;  // C-AdamW's and timm's.

// 1 / divisor of a direction of which `kept` of `entries` are kept.
double scale_of(double kept, double entries, CautionNormaliser normaliser, double eps) {
  if (entries == 0.0) return 1.0;
  switch (normaliser) {
    case CautionNormaliser::kClamp:
      return 1.0 / std::max(kept / entries, kSmallestShare);
    case CautionNormaliser::kPlusOne:
      return entries / (kept + 1.0);
    case CautionNormaliser::kPlusEps:
      return 1.0 / (kept / entries + eps);
  }
  TORCH_INTERNAL_ASSERT(false, "unnamed CautionNormaliser");
}

Tensors masks_of(const Tensors& signs, const Tensors& grads) {
  Tensors masks = at::_foreach_mul(signs, grads);
  for (at::Tensor& mask : masks) mask = mask.gt(0.0);
  return masks;
}

// 1 where a weight does not move away from zero, else 0, of the rows' dtype.
Tensors shrinking(const Tensors& directions, const Tensors& rows) {
  Tensors masks = at::_foreach_mul(directions, rows);
  for (at::Tensor& mask : masks) mask = mask.ge(0.0).to(mask.scalar_type());
  return masks;
}

at::Tensor counts_of(const Tensors& masks) {  // [n]
  Tensors counts;
  for (const at::Tensor& mask : masks) counts.push_back(mask.sum(at::kDouble));
  return at::stack(counts);
}

}  // namespace

void with_caution(const GroupTensors& tensors, Tensors directions, const Tensors& signs,
                  const UpdateRules& rules, double eps, ScalarSums& sums,
                  std::function<void(Tensors)> then) {
  if (!rules.caution) return then(std::move(directions));
  Tensors masks = masks_of(signs, tensors.grads);
  at::Tensor counts = counts_of(masks);
  sums.add(std::move(counts), [&tensors, &rules, eps, masks = std::move(masks),
                               directions = std::move(directions),
                               then = std::move(then)](std::span<const double> kept) {
    Tensors cautious = at::_foreach_mul(directions, masks);
    std::vector<at::Scalar> scales;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      const auto entries = static_cast<double>(tensors.entries[i]);
      scales.emplace_back(scale_of(kept[i], entries, rules.caution_normaliser, eps));
    }
    at::_foreach_mul_(cautious, scales);
    then(std::move(cautious));
  });
}

Tensors decay_of(const GroupTensors& tensors, const Tensors& directions, double decay,
                 const UpdateRules& rules) {
  Tensors decays = at::_foreach_mul(tensors.rows, decay);
  if (rules.cautious_decay) {
    at::_foreach_mul_(decays, shrinking(directions, tensors.rows));
  }
  return decays;
}

void move_rows(const GroupTensors& tensors, const Tensors& directions,
               const StepSize& size, const UpdateRules& rules) {
  const Tensors& rows = tensors.rows;
  const bool decays = size.decay != 0.0;
  Tensors masks;  // Of the weights before the step, whatever the order.
  if (decays && rules.cautious_decay) masks = shrinking(directions, rows);
  const auto shrink = [&] {
    if (masks.empty()) return at::_foreach_mul_(rows, 1.0 - size.decay);
    at::_foreach_addcmul_(rows, rows, masks, -size.decay);
  };
  const bool is_first = rules.decay_order == DecayOrder::kBefore;
  if (decays && is_first) shrink();
  at::_foreach_add_(rows, directions, -size.lr);
  if (decays && !is_first) shrink();
}

void take_step(const GroupTensors& tensors, Tensors directions, const StepSize& size,
               const UpdateRules& rules, double eps, ScalarSums& sums) {
  const Tensors signs = directions;
  with_caution(tensors, std::move(directions), signs, rules, eps, sums,
               [&tensors, &rules, size](const Tensors& cautious) {
                 move_rows(tensors, cautious, size, rules);
               });
}

}  // namespace shardopt::optim
