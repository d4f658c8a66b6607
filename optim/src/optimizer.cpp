#include "shardopt/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>

namespace shardopt::optim {
namespace {

// `first` is the group's first parameter.
void check_rows(const Parameter& parameter, const Parameter& first) {
  const auto& [name, rows, shard, role] = parameter;
  TORCH_CHECK(rows.defined(), "parameter '", name, "' is undefined");
  TORCH_CHECK(rows.dim() > 0 && rows.size(0) == shard.local_rows(), "parameter '", name,
              "' is ", rows.sizes(), ", but its shard has ", shard.local_rows(),
              " rows");
  TORCH_CHECK(rows.is_contiguous(), "parameter '", name, "' is not contiguous");
  TORCH_CHECK(rows.scalar_type() == at::kFloat || rows.scalar_type() == at::kDouble,
              "parameter '", name, "' is ", rows.scalar_type(),
              "; optimizers take fp32 or fp64 rows");
  TORCH_CHECK(rows.scalar_type() == first.rows.scalar_type() &&
                  rows.device() == first.rows.device(),
              "parameters '", first.name, "' and '", name,
              "' of one group differ in dtype or device");
}

void check_gradient(const Parameter& parameter) {
  const at::Tensor& rows = parameter.rows;
  const at::Tensor& grad = rows.grad();
  if (!grad.defined()) return;
  TORCH_CHECK(grad.layout() == at::kStrided, "the gradient of '", parameter.name,
              "' is ", grad.layout(), "; only dense ones are taken");
  TORCH_CHECK(grad.sizes() == rows.sizes() &&
                  grad.scalar_type() == rows.scalar_type() &&
                  grad.device() == rows.device(),
              "the gradient of '", parameter.name, "' is ", grad.scalar_type(),
              grad.sizes(), " on ", grad.device(), ", its rows ", rows.scalar_type(),
              rows.sizes(), " on ", rows.device());
}

}  // namespace

void Optimizer::add_group(std::string name, std::vector<Parameter> parameters,
                          const std::vector<std::string>& slots,
                          GroupSettings settings) {
  const at::NoGradGuard no_grad;
  const auto has_name = [&](const Group& group) { return group.name == name; };
  TORCH_CHECK(std::ranges::none_of(groups_, has_name), "group '", name,
              "' is added twice");
  Group group{std::move(name), std::move(settings), {}};
  for (const Parameter& parameter : parameters) {
    check_rows(parameter, parameters.front());
    claim(parameter.name);
    Entry entry{parameter, {}};
    for (const auto& slot : slots) {
      entry.slots.emplace(slot, at::zeros_like(parameter.rows));
    }
    group.entries.push_back(std::move(entry));
  }
  groups_.push_back(std::move(group));
}

void Optimizer::add_child(std::string name, std::unique_ptr<Optimizer> child) {
  TORCH_CHECK(child != nullptr, "nested optimizer '", name, "' is null");
  TORCH_CHECK(!has_child(name) && name != "groups" && name != "parameters",
              "the name '", name, "' of a nested optimizer is taken");
  for (const auto& parameter : child->parameter_names_) claim(parameter);
  child->set_lr_factor(lr_factor_);
  children_.emplace(std::move(name), std::move(child));
}

bool Optimizer::has_child(std::string_view name) const {
  return children_.contains(name);
}

void Optimizer::claim(const std::string& parameter_name) {
  TORCH_CHECK(parameter_names_.insert(parameter_name).second, "parameter '",
              parameter_name, "' is added twice");
}

void Optimizer::step() {
  const at::NoGradGuard no_grad;
  check_gradients();
  update_all();
}

void Optimizer::check_gradients() const {
  for (const auto& group : groups_) {
    for (const auto& entry : group.entries) check_gradient(entry.parameter);
  }
  for (const auto& [name, child] : children_) child->check_gradients();
}

void Optimizer::update_all() {
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    GroupTensors tensors = with_gradient(groups_[i]);
    if (!tensors.rows.empty()) update_group(i, tensors);
  }
  for (const auto& [name, child] : children_) child->update_all();
  ++step_count_;
}

GroupTensors Optimizer::with_gradient(Group& group) {
  GroupTensors tensors;
  for (auto& [parameter, slots, steps] : group.entries) {
    const at::Tensor& grad = parameter.rows.grad();
    if (!grad.defined()) continue;
    tensors.rows.push_back(parameter.rows);
    tensors.grads.push_back(grad.contiguous());
    for (const auto& [slot, tensor] : slots) tensors.slots[slot].push_back(tensor);
    tensors.steps.push_back(++steps);
  }
  return tensors;
}

void Optimizer::zero_grad() {
  for (const auto& group : groups_) {
    for (const auto& entry : group.entries) entry.parameter.rows.mutable_grad().reset();
  }
  for (const auto& [name, child] : children_) child->zero_grad();
}

void Optimizer::set_lr_factor(double factor) {
  TORCH_CHECK(std::isfinite(factor) && factor >= 0.0,
              "an lr factor must be finite and >= 0, got ", factor);
  lr_factor_ = factor;
  for (const auto& [name, child] : children_) child->set_lr_factor(factor);
}

int64_t Optimizer::step_count(std::string_view parameter) const {
  const Entry* entry = find(parameter);
  TORCH_CHECK(entry != nullptr, "there is no parameter '", parameter, "'");
  return entry->steps;
}

const Optimizer::Entry* Optimizer::find(std::string_view parameter) const {
  for (const auto& group : groups_) {
    for (const auto& entry : group.entries) {
      if (entry.parameter.name == parameter) return &entry;
    }
  }
  for (const auto& [name, child] : children_) {
    if (const Entry* entry = child->find(parameter)) return entry;
  }
  return nullptr;
}

std::vector<GroupSummary> Optimizer::groups() const {
  std::vector<GroupSummary> result;
  for (const auto& [name, settings, entries] : groups_) {
    result.push_back({.name = name,
                      .algorithm = kind_,
                      .lr = settings.lr * lr_factor_,
                      .weight_decay = settings.weight_decay,
                      .parameters = static_cast<int64_t>(entries.size())});
  }
  for (const auto& [child_name, child] : children_) {
    for (GroupSummary& group : child->groups()) {
      group.name = child_name + "/" + group.name;
      result.push_back(std::move(group));
    }
  }
  return result;
}

}  // namespace shardopt::optim
