#include "unit_runtime.h"

#include <algorithm>
#include <utility>

#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/graph_task.h>

#include "shardopt/core/error.h"
#include "shardopt/distributed/mesh.h"

namespace shardopt::distributed {
namespace {

bool is_inside_backward() { return torch::autograd::get_current_graph_task_id() != -1; }

}  // namespace

UnitRuntime::UnitRuntime(const Mesh& mesh, const ShardingOptions& options)
    : keep_last_gathered_(options.keep_last_gathered && mesh.shard().size() > 1),
      gathers_ahead_(options.overlap && mesh.shard().size() > 1),
      memory_(options.device),
      reductions_(options.overlap && mesh.size() > 1),
      timeline_(options.timeline) {}

void UnitRuntime::hold(UnitState& unit) {
  if (unit.holds == 0) {
    const bool is_stale = !unit.storage.is_released() &&
                          unit.storage.gathered_version() != unit.storage.version();
    if (is_stale) {
      prefetched_ = nullptr;
      unit.storage.release();
      SHARDOPT_THROW(ShardingError, "parameters of unit '", unit.name,
                     "' changed while it was being gathered");
    }
    unit.storage.finish_gather();
    if (prefetched_ == &unit) prefetched_ = nullptr;
  }
  ++unit.holds;
}

void UnitRuntime::release(UnitState& unit) {
  if (--unit.holds == 0) unit.storage.release();
}

void UnitRuntime::prefetch(UnitState* unit) {
  if (!gathers_ahead_ || unit == nullptr || !unit->storage.is_released()) return;
  drop_prefetched();
  unit->storage.start_gather();
  prefetched_ = unit;
}

void UnitRuntime::drop_prefetched() {
  if (prefetched_ != nullptr) std::exchange(prefetched_, nullptr)->storage.release();
}

void UnitRuntime::drop_kept() {
  if (kept_ != nullptr) release(*std::exchange(kept_, nullptr));
}

// The pass begins anew with the unit that began it: nothing is gathered ahead over
// that border, since parameters may change there.
void UnitRuntime::begin_run(UnitState& unit) {
  const bool is_recomputing = is_inside_backward();
  if (graph_id_ != -1 && !is_recomputing) abandon_backward();
  drop_kept();
  if (prefetched_ != &unit) drop_prefetched();
  if (is_recomputing) return;
  if (last_run_ == nullptr || &unit == first_run_) {
    if (last_run_ != nullptr) last_run_->next = nullptr;
    first_run_ = &unit;
    last_finished_ = nullptr;
    drop_prefetched();
  } else {
    last_run_->next = &unit;
  }
  last_run_ = &unit;
}

void UnitRuntime::enter_graph(UnitState& first) {
  const int current = torch::autograd::get_current_graph_task_id();
  if (current == graph_id_) return;
  if (graph_id_ == -1) learnt_last_ = &first;
  graph_id_ = current;
  first_run_ = last_run_ = last_finished_ = nullptr;
  torch::autograd::Engine::get_default_engine().queue_callback(
      [this] { finish_backward(); });
}

void UnitRuntime::check_versions(const UnitCall& call) const {
  for (std::size_t i = 0; i < call.versions.size(); ++i) {
    const UnitState& member = *call.unit.working_set[i];
    if (member.storage.version() == call.versions[i]) continue;
    SHARDOPT_THROW(ShardingError, "parameters of unit '", member.name,
                   "' changed between its forward and its backward");
  }
}

void UnitRuntime::begin_backward(UnitCall& call) {
  enter_graph(call.unit);
  if (call.backward_id == graph_id_) return;  // another output of the same call
  call.backward_id = graph_id_;
  check_versions(call);
  backward_span_.reset();
  reduce_queued(call.enclosing);
  for (UnitState* member : call.unit.working_set) {
    enter_backward(*member);
    if (call.is_pending) --*member->pending_calls;
    if (call.inputs > 0) ++member->open_calls;
    if (*member->pending_calls == 0) enqueue(*member);
  }
  call.is_pending = false;
  call.inputs_left = call.inputs;
  drop_kept();
  prefetch(call.previous);
  backward_span_.emplace(timeline(), kComputeTrack, call.unit.backward_label);
}

void UnitRuntime::enter_backward(UnitState& unit) {
  if (!unit.is_in_backward) {
    unit.is_in_backward = true;
    in_backward_.push_back(&unit);
  }
  if (unit.is_held_by_backward) return;
  hold(unit);
  unit.is_held_by_backward = true;
}

void UnitRuntime::gradient_ready(UnitState& unit, std::size_t parameter) {
  enter_graph(unit);
  if (!unit.is_in_backward) {
    unit.is_in_backward = true;
    in_backward_.push_back(&unit);
  }
  if (is_sync_on_ && unit.is_reduced) {
    SHARDOPT_THROW(
        ShardingError, "a gradient of unit '", unit.name,
        "' came after another unit's backward had begun: the graph has parts "
        "of it that do not come from its forward");
  }
  unit.has_gradient[parameter] = true;
  try_finish(unit);
}

void UnitRuntime::inputs_done(UnitCall& call) {
  const bool is_open = graph_id_ != -1 && call.backward_id == graph_id_;
  if (!is_open || --call.inputs_left != 0) return;
  for (UnitState* member : call.unit.working_set) {
    --member->open_calls;
    try_finish(*member);
  }
}

// A frozen parameter is needed until the inputs' gradients are there; one that gets a
// gradient is not read after that. Leaves go before gradients are packed, so that the
// message can take their memory.
void UnitRuntime::try_finish(UnitState& unit) {
  if (!unit.has_all_gradients()) return;
  if (!unit.has_frozen || unit.open_calls == 0) leave_backward(unit);
  const bool keeps = !is_sync_on_ && !unit.is_reduced && unit.gradients.count() > 0;
  if (keeps) keep(unit);
}

void UnitRuntime::keep(UnitState& unit) {
  unit.gradients.keep();
  unit.has_kept = true;
  unit.is_reduced = true;
}

void UnitRuntime::leave_backward(UnitState& unit) {
  if (!std::exchange(unit.is_held_by_backward, false)) return;
  release(unit);
}

void UnitRuntime::enqueue(UnitState& unit) {
  const bool has_work = is_sync_on_ && unit.gradients.count() > 0;
  if (!has_work || unit.is_queued || unit.is_reduced) return;
  unit.is_queued = true;
  queue_.push_back(&unit);
}

// Autograd has accumulated every gradient that these units get by now: it takes nodes
// in the reverse order of the forward, accumulation first.
void UnitRuntime::reduce_queued(const std::vector<UnitState*>& but) {
  for (UnitState* unit : std::exchange(queue_, {})) {
    if (std::ranges::find(but, unit) == but.end()) {
      reduce(*unit);
    } else {
      queue_.push_back(unit);
    }
  }
}

void UnitRuntime::reduce(UnitState& unit) {
  unit.is_reduced = true;
  unit.has_kept = false;
  reductions_.start(unit.gradients);
}

void UnitRuntime::finish_backward() {
  backward_span_.reset();
  for (UnitState* unit : units_) {
    if (unit->has_kept && !unit->is_in_backward) in_backward_.push_back(unit);
  }
  for (UnitState* unit : in_backward_) {
    if (is_sync_on_) {
      enqueue(*unit);
    } else if (!unit->is_reduced && unit->gradients.count() > 0) {
      keep(*unit);
    }
  }
  reduce_queued({});
  reductions_.finish();
  drop_prefetched();
  drop_kept();
  for (UnitState* unit : std::exchange(in_backward_, {})) {
    leave_backward(*unit);
    unit->is_in_backward = unit->is_queued = unit->is_reduced = false;
    unit->open_calls = 0;
    std::fill(unit->has_gradient.begin(), unit->has_gradient.end(), false);
  }
  graph_id_ = -1;
}

// After a backward that threw: what it left behind is nobody's gradient.
void UnitRuntime::abandon_backward() {
  queue_.clear();
  reductions_.abandon();
  for (UnitState* unit : units_) {
    unit->gradients.discard();
    unit->has_kept = false;
    unit->is_reduced = true;
  }
  in_backward_ = units_;
  finish_backward();
}

}  // namespace shardopt::distributed
