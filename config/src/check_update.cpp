#include <algorithm>
#include <set>
#include <string_view>

#include "shardopt/config/check_config.h"

#include "fail.h"
#include "option_tree.h"

namespace shardopt::config {
namespace {

constexpr char kMuon[] = "muon";

std::set<std::string> selected_algorithms(const optim::OptimizerConfig& optimizer) {
  std::set<std::string> selected{optimizer.name};
  for (const optim::GroupRule& group : optimizer.groups) {
    selected.insert(group.algorithm.empty() ? optimizer.name : group.algorithm);
  }
  return selected;
}

std::string internal_name(const optim::MuonOptions& muon) {
  switch (muon.internal) {
    case optim::Internal::kAdamW:
      return "adamw";
    case optim::Internal::kNadamW:
      return "nadamw";
    case optim::Internal::kLion:
      return "lion";
  }
  return "";
}

void check_preset(const optim::OptimizerConfig& optimizer) {
  if (optimizer.muon_preset.empty() || optimizer.name == kMuon) return;
  fail("optimizer.muon.preset is '", optimizer.muon_preset,
       "', but optimizer.name is '", optimizer.name,
       "'; allowed: muon, or no preset (its lr and decay are every group's)");
}

void check_groups(const optim::OptimizerConfig& optimizer) {
  for (std::size_t i = 0; i < optimizer.groups.size(); ++i) {
    if (!optimizer.groups[i].pattern.empty()) continue;
    fail("optimizer.group[", i, "].pattern is empty; allowed: a regular expression");
  }
}

void check_named_values(const optim::OptimizerConfig& optimizer) {
  if (optimizer.options.empty()) return;
  const std::vector<std::string> known = block_names("optimizer");
  const auto is_known = [&](const std::string& name) {
    return std::ranges::find(known, name) != known.end();
  };
  if (!std::ranges::all_of(selected_algorithms(optimizer), is_known)) return;
  const std::string& first = optimizer.options.begin()->first;
  fail("optimizer.options.", first, " is given, but optimizer.name is '",
       optimizer.name, "'; allowed: options in the block optimizer.", optimizer.name);
}

// What train's options are short for is said once.
void check_transforms(const TrainConfig& config) {
  for (std::size_t i = 0; i < config.transforms.size(); ++i) {
    const std::string& name = config.transforms[i].name;
    if (name.empty()) {
      fail("transform[", i,
           "].name is empty; allowed: ", c10::Join(", ", optim::transform_names()));
    }
    if (name == "accumulate" && config.train.accumulation > 1) {
      fail("train.accumulation is ", config.train.accumulation, ", but transform[", i,
           "] is '", name, "'; allowed: one of them");
    }
    if (name == "accumulate" && config.mesh.accumulate == Accumulation::kWhole) {
      fail("mesh.accumulate is 'whole', but transform[", i, "] is '", name,
           "'; allowed: shards, or train.accumulation in place of the transform");
    }
    if (name == "clip_global_norm" && config.train.clip_norm > 0.0) {
      fail("train.clip_norm is ", config.train.clip_norm, ", but transform[", i,
           "] is '", name, "'; allowed: one of them");
    }
  }
}

bool is_given(const TrainConfig& config, const std::string& block) {
  const auto first = config.given.lower_bound(block);
  return first != config.given.end() &&
         (*first == block || first->starts_with(block + "."));
}

// Gradients of overwritten parameters are no sums: units cannot accumulate them.
void check_overwritten(const TrainConfig& config) {
  if (config.optimizer.overwrite_with_gradient.empty()) return;
  if (config.mesh.accumulate != Accumulation::kWhole) return;
  if (config.train.accumulation == 1) return;
  fail("mesh.accumulate is 'whole', but optimizer.overwrite_with_gradient is '",
       config.optimizer.overwrite_with_gradient, "'; allowed: shards");
}

// An average in place of y would leave Schedule-Free's z behind.
void check_average(const TrainConfig& config) {
  config.average.validate();
  if (config.average.overwrite_every == 0) return;
  for (const std::string& name : selected_algorithms(config.optimizer)) {
    if (!name.starts_with("schedule_free")) continue;
    fail("average.overwrite_every is ", config.average.overwrite_every,
         ", but the optimizer is '", name, "'; allowed: 0");
  }
}

}  // namespace

void check_update(const TrainConfig& config) {
  check_preset(config.optimizer);
  check_groups(config.optimizer);
  check_named_values(config.optimizer);
  check_transforms(config);
  config.loss_scale.validate();
  check_average(config);
  check_overwritten(config);
}

std::vector<std::string> unused_blocks(const TrainConfig& config) {
  std::vector<std::string> unused;
  const auto look_at = [&](std::string_view parent,
                           const std::set<std::string>& selected) {
    for (const std::string& name : block_names(parent)) {
      const std::string path = join_path(parent, name);
      if (!selected.contains(name) && is_given(config, path)) unused.push_back(path);
    }
  };
  const std::set<std::string> selected = selected_algorithms(config.optimizer);
  look_at("optimizer", selected);
  if (selected.contains(kMuon)) {
    look_at("optimizer.muon", {internal_name(config.optimizer.muon)});
  }
  return unused;
}

}  // namespace shardopt::config
