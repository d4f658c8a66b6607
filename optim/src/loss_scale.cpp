#include "shardopt/optim/loss_scale.h"

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include "shardopt/core/error.h"
#include "state_difference.h"

namespace shardopt::optim {
namespace {

constexpr double kFirstDynamicScale = 0x1p15;  // Keras's LossScaleOptimizer's
constexpr double kLargestScale = 0x1p127;
constexpr char kMode[] = "mode";
constexpr char kScale[] = "scale";
constexpr char kGoodUpdates[] = "good_updates";

double first_scale(const LossScaleOptions& options) {
  if (options.mode == LossScaleMode::kNone) return 1.0;
  return options.scale.value_or(kFirstDynamicScale);
}

std::string mode_name(LossScaleOptions options) {
  return std::get<std::string>(options_of(options).front().get());
}

}  // namespace

LossScale::LossScale(const LossScaleOptions& options)
    : options_(options), scale_(first_scale(options)) {
  options.validate();
}

void LossScale::good_update() {
  if (options_.mode != LossScaleMode::kDynamic) return;
  if (++good_updates_ < options_.growth_steps) return;
  good_updates_ = 0;
  const double grown = scale_ * options_.growth_factor;
  if (grown <= kLargestScale) scale_ = grown;
}

void LossScale::skipped() {
  if (options_.mode != LossScaleMode::kDynamic) return;
  good_updates_ = 0;
  scale_ = std::max(scale_ * options_.backoff_factor, options_.min_scale);
}

StateTree LossScale::state() const {
  StateTree tree{.kind = "loss_scale", .values = {{kMode, mode_name(options_)}}};
  if (options_.mode != LossScaleMode::kDynamic) return tree;
  tree.values.emplace(kScale, scale_);
  tree.values.emplace(kGoodUpdates, good_updates_);
  return tree;
}

void LossScale::check_state(const StateTree& tree) const {
  check_same(state(), tree, "this loss scale");
  if (options_.mode != LossScaleMode::kDynamic) return;
  const auto scale = tree.value<double>(kScale);
  const auto good_updates = tree.value<int64_t>(kGoodUpdates);
  if (!(scale > 0.0 && scale <= kLargestScale) || good_updates < 0) {
    SHARDOPT_THROW(CheckpointError, "a loss scale of ", scale, " after ", good_updates,
                   " good updates cannot be; allowed: (0, ", kLargestScale,
                   "] after >= 0");
  }
}

void LossScale::load_state(const StateTree& tree) {
  check_state(tree);
  if (options_.mode != LossScaleMode::kDynamic) return;
  scale_ = tree.value<double>(kScale);
  good_updates_ = tree.value<int64_t>(kGoodUpdates);
}

}  // namespace shardopt::optim
