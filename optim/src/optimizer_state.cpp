// Saving and restoring an Optimizer.
#include <utility>
#include <variant>

#include <ATen/core/grad_mode.h>

#include "shardopt/core/option.h"
#include "shardopt/optim/grouped_optimizer.h"
#include "shardopt/optim/optimizer.h"
#include "state_difference.h"

namespace shardopt::optim {
namespace {

constexpr char kGroups[] = "groups";
constexpr char kParameters[] = "parameters";
constexpr char kStep[] = "step";
constexpr char kLrFactor[] = "lr_factor";
constexpr char kProgress[] = "progress";
constexpr char kUpdates[] = "updates";
constexpr char kEvaluating[] = "evaluating";
constexpr char kTrainingRows[] = "training_rows";

// Whether a saved optimizer was at the evaluation point.
bool was_evaluating(const StateTree& tree) { return tree.values.contains(kEvaluating); }

}  // namespace

std::map<std::string, StateValue> recorded(std::span<const Option> options) {
  std::map<std::string, StateValue> values;
  for (const Option& option : options) {
    std::visit(
        [&](const auto& value) {
          using Value = std::decay_t<decltype(value)>;
          if constexpr (!std::is_same_v<Value, std::monostate>) {
            values.emplace(option.name, value);
          }
        },
        option.get());
  }
  return values;
}

StateTree Optimizer::state() const {
  StateTree tree{.kind = kind_};
  tree.values = {{kStep, step_count_}, {kLrFactor, lr_factor_}};
  if (is_evaluating_) tree.values.emplace(kEvaluating, true);
  tree.children.emplace(kGroups, group_state());
  StateTree progress = progress_state();
  if (!progress.children.empty()) tree.children.emplace(kProgress, std::move(progress));
  tree.children.emplace(kParameters, parameter_state());
  for (const auto& [name, child] : children_) {
    tree.children.emplace(name, child->state());
  }
  return tree;
}

StateTree Optimizer::group_state() const {
  StateTree tree{.kind = kGroups};
  for (const Group& group : groups_) {
    StateTree options{.kind = kRecordOnly, .values = group.settings.options};
    options.values.emplace("lr", group.settings.lr);
    options.values.emplace("weight_decay", group.settings.weight_decay);
    tree.children.emplace(group.name, std::move(options));
  }
  return tree;
}

// Of groups that count something of their own.
StateTree Optimizer::progress_state() const {
  StateTree tree{.kind = kProgress};
  for (const Group& group : groups_) {
    if (group.settings.progress.empty()) continue;
    StateTree values{.kind = kProgress, .values = {{kUpdates, group.progress.updates}}};
    for (const auto& [name, value] : group.progress.values) {
      values.values.emplace(name, value);
    }
    tree.children.emplace(group.name, std::move(values));
  }
  return tree;
}

void Optimizer::load_progress(const StateTree& tree) {
  for (Group& group : groups_) {
    if (group.settings.progress.empty()) continue;
    const StateTree& saved = tree.child(kProgress).child(group.name);
    group.progress.updates = saved.value<int64_t>(kUpdates);
    for (auto& [name, value] : group.progress.values) value = saved.value<double>(name);
  }
}

StateTree Optimizer::parameter_state() const {
  StateTree tree{.kind = kParameters};
  for (const auto& group : groups_) {
    for (const Entry& entry : group.entries) {
      const Parameter& parameter = entry.parameter;
      StateTree state{.kind = "parameter",
                      .values = {{"group", group.name}, {kStep, entry.steps}}};
      const auto add = [&](const std::string& name, const at::Tensor& tensor) {
        state.tensors.emplace(name, StateTensor{tensor, Spread::kCut, parameter.shard});
      };
      for (const auto& [slot, tensor] : entry.slots) add(slot, tensor);
      if (entry.training_rows.defined()) add(kTrainingRows, entry.training_rows);
      tree.children.emplace(parameter.name, std::move(state));
    }
  }
  return tree;
}

void Optimizer::check_state(const StateTree& tree) const {
  check_same(state_like(tree), tree, c10::str("this optimizer '", kind_, "'"));
}

// state(), at the point at which `tree` was saved.
StateTree Optimizer::state_like(const StateTree& tree) const {
  StateTree own = state();
  if (was_evaluating(tree)) {
    own.values.emplace(kEvaluating, true);
  } else {
    own.values.erase(kEvaluating);
  }
  StateTree& parameters = own.children.at(kParameters);
  const auto saved = tree.children.find(kParameters);
  for (auto& [name, parameter] : parameters.children) {
    parameter.tensors.erase(kTrainingRows);
    if (saved == tree.children.end() || !was_evaluating(tree)) continue;
    const auto it = saved->second.children.find(name);
    if (it == saved->second.children.end()) continue;
    if (!it->second.tensors.contains(kTrainingRows)) continue;
    const Entry& entry = *find(name);
    parameter.tensors.emplace(
        kTrainingRows,
        StateTensor{entry.parameter.rows, Spread::kCut, entry.parameter.shard});
  }
  for (const auto& [name, child] : children_) {
    const auto it = tree.children.find(name);
    if (it != tree.children.end())
      own.children.at(name) = child->state_like(it->second);
  }
  return own;
}

void Optimizer::load_state(const StateTree& tree) {
  check_state(tree);
  const at::NoGradGuard no_grad;
  copy_state(tree);
}

void Optimizer::copy_state(const StateTree& tree) {
  step_count_ = tree.value<int64_t>(kStep);
  lr_factor_ = tree.value<double>(kLrFactor);
  is_evaluating_ = was_evaluating(tree);
  const StateTree& parameters = tree.child(kParameters);
  for (auto& group : groups_) {
    for (Entry& entry : group.entries) {
      const StateTree& saved = parameters.child(entry.parameter.name);
      entry.steps = saved.value<int64_t>(kStep);
      for (auto& [slot, tensor] : entry.slots) {
        tensor.copy_(saved.tensors.at(slot).tensor);
      }
      const auto rows = saved.tensors.find(kTrainingRows);
      entry.training_rows =
          rows == saved.tensors.end() ? at::Tensor() : rows->second.tensor.clone();
    }
  }
  load_progress(tree);
  for (const auto& [name, child] : children_) child->copy_state(tree.child(name));
}

}  // namespace shardopt::optim
