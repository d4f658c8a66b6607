#include "shardopt/distributed/fully_sharded_unit.h"

#include <algorithm>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "unit_runtime.h"

namespace shardopt::distributed {
namespace {

// Keeps a unit, and those that hold its tied parameters, gathered for a scope.
class ScopedHold {
 public:
  explicit ScopedHold(UnitState& unit) : unit_(unit) {}
  ~ScopedHold() {
    for (int i = 0; i < held_; ++i) unit_.runtime.release(*unit_.working_set[i]);
  }
  ScopedHold(const ScopedHold&) = delete;
  ScopedHold& operator=(const ScopedHold&) = delete;

  void acquire() {
    for (UnitState* member : unit_.working_set) {
      unit_.runtime.hold(*member);
      ++held_;
    }
  }

 private:
  UnitState& unit_;
  int held_ = 0;
};

// The scope of a unit's forward.
class ScopedRun {
 public:
  explicit ScopedRun(UnitState& unit) : runtime_(unit.runtime) {
    runtime_.enter_run(unit);
  }
  ~ScopedRun() { runtime_.leave_run(); }
  ScopedRun(const ScopedRun&) = delete;
  ScopedRun& operator=(const ScopedRun&) = delete;

 private:
  UnitRuntime& runtime_;
};

FullyShardedUnit::Tensors run_scoped(
    UnitState& unit, const std::function<FullyShardedUnit::Tensors()>& forward) {
  const ScopedRun scope(unit);
  return forward();
}

class GradientHook final : public torch::autograd::PostAccumulateGradHook {
 public:
  GradientHook(UnitState& unit, std::size_t parameter)
      : unit_(unit), parameter_(parameter) {}
  void operator()(const at::Tensor&) override {
    unit_.runtime.gradient_ready(unit_, parameter_);
  }

 private:
  UnitState& unit_;
  std::size_t parameter_;
};

bool has_frozen(const UnitState& unit) {
  return std::ranges::any_of(unit.working_set, &UnitState::has_frozen);
}

bool requires_grad(std::span<const at::Tensor> tensors) {
  for (const auto& tensor : tensors) {
    if (tensor.defined() && tensor.requires_grad()) return true;
  }
  return false;
}

}  // namespace

// Hooks, not an identity function around the outputs: its result would be a view,
// which users may not change in place.
void UnitRuntime::end_run(UnitState& unit, std::span<const at::Tensor> inputs,
                          std::span<const at::Tensor> outputs) {
  if (!at::GradMode::is_enabled() || !requires_grad(outputs)) return;
  const auto call = std::make_shared<UnitCall>(unit, last_finished_, running_);
  last_finished_ = &unit;
  for (const auto& output : outputs) {
    if (!output.defined() || !output.requires_grad()) continue;
    output.register_hook(
        [call](const at::Tensor&) { call->unit.runtime.begin_backward(*call); });
  }
  if (has_frozen(unit)) {
    for (const auto& input : inputs) {
      if (!input.defined() || !input.requires_grad()) continue;
      ++call->inputs;
      input.register_hook(
          [call](const at::Tensor&) { call->unit.runtime.inputs_done(*call); });
    }
  }
  if (learnt_last_ != &unit || !keep_last_gathered_) return;
  hold(unit);
  kept_ = &unit;
}

FullyShardedUnit::FullyShardedUnit(std::unique_ptr<UnitState> state)
    : state_(std::move(state)) {
  auto& parameters = state_->storage.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].is_trainable) continue;
    torch::autograd::impl::set_post_acc_grad_hooks(
        parameters[i].leaf, std::make_unique<GradientHook>(*state_, i));
  }
}

FullyShardedUnit::~FullyShardedUnit() = default;

const std::string& FullyShardedUnit::name() const noexcept { return state_->name; }

bool FullyShardedUnit::is_gathered() const noexcept {
  return state_->storage.is_gathered();
}

FullyShardedUnit::Tensors FullyShardedUnit::run(
    std::span<const at::Tensor> inputs, const std::function<Tensors()>& forward) {
  UnitRuntime& runtime = state_->runtime;
  runtime.begin_run(*state_);
  ScopedHold hold(*state_);
  hold.acquire();
  runtime.prefetch(state_->next);
  const TimelineSpan span(runtime.timeline(), kComputeTrack, state_->forward_label);
  Tensors outputs = run_scoped(*state_, forward);
  runtime.end_run(*state_, inputs, outputs);
  return outputs;
}

at::Tensor FullyShardedUnit::run_one(const at::Tensor& input,
                                     const std::function<at::Tensor()>& forward) {
  const auto as_list = [&] { return Tensors{forward()}; };
  return run(std::span(&input, 1), as_list).front();
}

}  // namespace shardopt::distributed
