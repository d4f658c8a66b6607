#include "gradient_accumulator.h"

#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/zeros_like.h>

#include "shardopt/core/error.h"
#include "state_difference.h"

namespace shardopt::optim {
namespace {

constexpr char kPosition[] = "position";
constexpr char kGradients[] = "gradients";
constexpr char kGathered[] = "gathered";

}  // namespace

GradientAccumulator::GradientAccumulator(const std::vector<Parameter>& parameters,
                                         const std::set<std::string>& overwritten,
                                         int64_t steps)
    : steps_(steps) {
  for (const Parameter& parameter : parameters) {
    entries_.push_back({parameter, overwritten.contains(parameter.name),
                        at::zeros_like(parameter.rows.detach())});
  }
}

bool GradientAccumulator::add() {
  const at::NoGradGuard no_grad;
  for (Entry& entry : entries_) gather(entry);
  if (++position_ < steps_) return false;
  for (Entry& entry : entries_) hand_out(entry);
  drop();
  return true;
}

void GradientAccumulator::gather(Entry& entry) {
  const at::Tensor& grad = entry.parameter.rows.grad();
  if (!grad.defined()) return;
  if (entry.gradients++ == 0) {
    entry.gathered.copy_(grad);
  } else if (entry.is_overwritten) {
    at::maximum_out(entry.gathered, entry.gathered, grad);
  } else {
    entry.gathered.add_(grad);
  }
}

void GradientAccumulator::hand_out(Entry& entry) const {
  if (entry.gradients == 0) return;
  if (!entry.is_overwritten) entry.gathered.div_(static_cast<double>(steps_));
  at::Tensor& grad = entry.parameter.rows.mutable_grad();
  if (grad.defined()) {
    grad.copy_(entry.gathered);
  } else {
    grad = entry.gathered.clone();
  }
}

void GradientAccumulator::drop() {
  const at::NoGradGuard no_grad;
  position_ = 0;
  for (Entry& entry : entries_) {
    entry.gathered.zero_();
    entry.gradients = 0;
  }
}

StateTree GradientAccumulator::state() const {
  StateTree tree{.kind = "accumulate", .values = {{kPosition, position_}}};
  for (const Entry& entry : entries_) {
    StateTree part{.kind = "parameter", .values = {{kGradients, entry.gradients}}};
    part.tensors.emplace(
        kGathered, StateTensor{entry.gathered, Spread::kCut, entry.parameter.shard});
    tree.children.emplace(entry.parameter.name, std::move(part));
  }
  return tree;
}

void GradientAccumulator::check_state(const StateTree& tree) const {
  check_same(state(), tree, "these accumulated gradients");
  const auto position = tree.value<int64_t>(kPosition);
  if (position >= 0 && position < steps_) return;
  SHARDOPT_THROW(CheckpointError, "this state was saved after ", position,
                 " micro-steps of a window; here windows have ", steps_);
}

void GradientAccumulator::load_state(const StateTree& tree) {
  check_state(tree);
  const at::NoGradGuard no_grad;
  position_ = tree.value<int64_t>(kPosition);
  for (Entry& entry : entries_) {
    const StateTree& part = tree.child(entry.parameter.name);
    entry.gradients = part.value<int64_t>(kGradients);
    entry.gathered.copy_(part.tensors.at(kGathered).tensor);
  }
}

}  // namespace shardopt::optim
