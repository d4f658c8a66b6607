// Saving and restoring an Optimizer.
#include <utility>
#include <variant>

#include <ATen/core/grad_mode.h>

#include "shardopt/core/error.h"
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
  tree.children.emplace(kGroups, group_state());
  tree.children.emplace(kParameters, parameter_state());
  for (const auto& [name, child] : children_) {
    tree.children.emplace(name, child->state());
  }
  return tree;
}

StateTree Optimizer::group_state() const {
  StateTree tree{.kind = kGroups};
  for (const auto& [name, settings, entries] : groups_) {
    StateTree options{.kind = kRecordOnly, .values = settings.options};
    options.values.emplace("lr", settings.lr);
    options.values.emplace("weight_decay", settings.weight_decay);
    tree.children.emplace(name, std::move(options));
  }
  return tree;
}

StateTree Optimizer::parameter_state() const {
  StateTree tree{.kind = kParameters};
  for (const auto& group : groups_) {
    for (const auto& [parameter, slots, steps] : group.entries) {
      StateTree state{.kind = "parameter",
                      .values = {{"group", group.name}, {kStep, steps}}};
      for (const auto& [slot, tensor] : slots) {
        state.tensors.emplace(slot, StateTensor{tensor, Spread::kCut, parameter.shard});
      }
      tree.children.emplace(parameter.name, std::move(state));
    }
  }
  return tree;
}

void Optimizer::check_state(const StateTree& tree) const {
  const std::vector<std::string> problems = differences(state(), tree);
  if (problems.empty()) return;
  SHARDOPT_THROW(CheckpointError, "this state is not of this optimizer '", kind_,
                 "': ", c10::Join("; ", problems));
}

void Optimizer::load_state(const StateTree& tree) {
  check_state(tree);
  const at::NoGradGuard no_grad;
  copy_state(tree);
}

void Optimizer::copy_state(const StateTree& tree) {
  step_count_ = tree.value<int64_t>(kStep);
  lr_factor_ = tree.value<double>(kLrFactor);
  const StateTree& parameters = tree.child(kParameters);
  for (auto& group : groups_) {
    for (auto& [parameter, slots, steps] : group.entries) {
      const StateTree& saved = parameters.child(parameter.name);
      steps = saved.value<int64_t>(kStep);
      for (auto& [slot, tensor] : slots) tensor.copy_(saved.tensors.at(slot).tensor);
    }
  }
  for (const auto& [name, child] : children_) child->copy_state(tree.child(name));
}

}  // namespace shardopt::optim
