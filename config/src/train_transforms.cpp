#include "shardopt/config/train_transforms.h"

namespace shardopt::config {

std::vector<optim::TransformRule> train_transforms(const TrainConfig& config) {
  std::vector<optim::TransformRule> rules = config.transforms;
  if (config.train.accumulation > 1) {
    const bool unscales = !rules.empty() && rules.front().name == "unscale";
    rules.insert(rules.begin() + (unscales ? 1 : 0),
                 {.name = "accumulate", .steps = config.train.accumulation});
  }
  if (config.train.clip_norm > 0.0) {
    rules.push_back({.name = "clip_global_norm",
                     .max_norm = config.train.clip_norm,
                     .form = "torch"});
  }
  return rules;
}

}  // namespace shardopt::config
