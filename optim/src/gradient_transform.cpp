#include "shardopt/optim/gradient_transform.h"

#include <utility>

#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include "state_difference.h"

namespace shardopt::optim {
namespace {

constexpr char kStep[] = "step";

}  // namespace

GradientTransform::GradientTransform(std::string kind,
                                     std::vector<Parameter> parameters,
                                     std::vector<Slot> slots)
    : kind_(std::move(kind)),
      parameters_(std::move(parameters)),
      slots_(std::move(slots)) {
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : parameters_) {
    ParameterState& state = states_.emplace_back();
    for (const Slot& slot : slots_) {
      state.slots.emplace(slot.name, zeros_of(slot, parameter.rows));
    }
  }
}

void GradientTransform::apply() {
  const at::NoGradGuard no_grad;
  GradientTensors tensors = with_gradient();
  if (!tensors.grads.empty()) transform(tensors);
}

GradientTensors GradientTransform::with_gradient() {
  GradientTensors tensors;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& parameter = parameters_[i];
    const at::Tensor& grad = parameter.rows.grad();
    if (!grad.defined()) continue;
    tensors.rows.push_back(parameter.rows);
    tensors.grads.push_back(grad);
    tensors.entries.push_back(whole_entries(parameter));
    auto& [slots, steps] = states_[i];
    for (const auto& [name, tensor] : slots) tensors.slots[name].push_back(tensor);
    tensors.steps.push_back(++steps);
  }
  return tensors;
}

StateTree GradientTransform::state() const {
  StateTree tree{.kind = kind_};
  if (!has_state()) return tree;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto& [slots, steps] = states_[i];
    StateTree part{.kind = "parameter", .values = {{kStep, steps}}};
    for (const auto& [name, tensor] : slots) {
      part.tensors.emplace(name,
                           StateTensor{tensor, Spread::kCut, parameters_[i].shard});
    }
    tree.children.emplace(parameters_[i].name, std::move(part));
  }
  return tree;
}

void GradientTransform::check_state(const StateTree& tree) const {
  check_same(state(), tree, c10::str("this transform '", kind_, "'"));
}

void GradientTransform::load_state(const StateTree& tree) {
  check_state(tree);
  if (!has_state()) return;
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const StateTree& saved = tree.child(parameters_[i].name);
    auto& [slots, steps] = states_[i];
    steps = saved.value<int64_t>(kStep);
    for (auto& [name, tensor] : slots) tensor.copy_(saved.tensors.at(name).tensor);
  }
}

}  // namespace shardopt::optim
