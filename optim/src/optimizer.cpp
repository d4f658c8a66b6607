#include "shardopt/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>

#include "gradient_check.h"
#include "shardopt/optim/scalar_sums.h"

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

}  // namespace

at::Tensor zeros_of(const Slot& slot, const at::Tensor& rows) {
  return at::zeros(slot.shape ? slot.shape(rows) : rows.sizes().vec(),
                   rows.options().requires_grad(false));
}

void Optimizer::add_group(std::string name, std::vector<Parameter> parameters,
                          const std::vector<Slot>& slots, GroupSettings settings) {
  const at::NoGradGuard no_grad;
  const auto has_name = [&](const Group& group) { return group.name == name; };
  TORCH_CHECK(std::ranges::none_of(groups_, has_name), "group '", name,
              "' is added twice");
  Group group{std::move(name), std::move(settings), {}, {}};
  group.progress.values = group.settings.progress;
  for (const Parameter& parameter : parameters) {
    check_rows(parameter, parameters.front());
    claim(parameter.name);
    Entry entry{.parameter = parameter, .entries = whole_entries(parameter)};
    for (const Slot& slot : slots) {
      entry.slots.emplace(slot.name, zeros_of(slot, parameter.rows));
    }
    group.entries.push_back(std::move(entry));
  }
  groups_.push_back(std::move(group));
}

void Optimizer::add_child(std::string name, std::unique_ptr<Optimizer> child) {
  TORCH_CHECK(child != nullptr, "nested optimizer '", name, "' is null");
  TORCH_CHECK(!has_child(name) && name != "groups" && name != "parameters" &&
                  name != "progress",
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
  TORCH_CHECK(!is_evaluating_,
              "weights are at the evaluation point: call "
              "use_training_point() before step()");
  check_gradients();
  ScalarSums sums(shard_ranks_);
  begin_update(sums);
  TORCH_CHECK(sums.is_empty() || shard_ranks_ != nullptr || !is_cut(), "'", kind_,
              "' needs sums over the ranks that its parameters are cut over: call "
              "set_shard_ranks()");
  sums.settle();
  end_update();
}

void Optimizer::check_gradients() const {
  for (const auto& group : groups_) {
    for (const auto& entry : group.entries) check_gradient(entry.parameter);
  }
  for (const auto& [name, child] : children_) child->check_gradients();
}

bool Optimizer::is_cut() const {
  const auto cut = [](const Entry& entry) { return entry.parameter.shard.ranks() > 1; };
  const auto holds_cut = [&](const Group& group) {
    return std::ranges::any_of(group.entries, cut);
  };
  if (std::ranges::any_of(groups_, holds_cut)) return true;
  return std::ranges::any_of(children_,
                             [](const auto& child) { return child.second->is_cut(); });
}

void Optimizer::begin_update(ScalarSums& sums) {
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    gather_tensors(groups_[i]);
    if (groups_[i].under_way.rows.empty()) continue;
    ++groups_[i].progress.updates;
    update_group(i, groups_[i].under_way, sums);
  }
  for (const auto& [name, child] : children_) child->begin_update(sums);
}

void Optimizer::end_update() {
  for (Group& group : groups_) group.under_way = {};
  for (const auto& [name, child] : children_) child->end_update();
  ++step_count_;
}

void Optimizer::gather_tensors(Group& group) const {
  GroupTensors tensors{.progress = &group.progress};
  for (Entry& entry : group.entries) {
    const Parameter& parameter = entry.parameter;
    at::Tensor grad = parameter.rows.grad();
    if (!grad.defined() && missing_gradient_ == MissingGradient::kZero) {
      grad = at::zeros_like(parameter.rows);
    }
    if (!grad.defined()) continue;
    tensors.rows.push_back(parameter.rows);
    tensors.grads.push_back(grad.contiguous());
    for (const auto& [slot, tensor] : entry.slots) {
      tensors.slots[slot].push_back(tensor);
    }
    tensors.steps.push_back(++entry.steps);
    tensors.parameters.push_back(&parameter);
    tensors.entries.push_back(entry.entries);
  }
  group.under_way = std::move(tensors);
}

void Optimizer::set_missing_gradient(MissingGradient policy) {
  missing_gradient_ = policy;
  for (const auto& [name, child] : children_) child->set_missing_gradient(policy);
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
  for (const Group& group : groups_) {
    GroupSummary summary{.name = group.name,
                         .algorithm = kind_,
                         .lr = group.settings.lr * lr_factor_,
                         .weight_decay = group.settings.weight_decay,
                         .parameters = static_cast<int64_t>(group.entries.size())};
    for (const Entry& entry : group.entries) {
      summary.parameter_names.push_back(entry.parameter.name);
    }
    result.push_back(std::move(summary));
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
