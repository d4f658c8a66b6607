/// When the units of a model gather, release and reduce.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "reduction_pipeline.h"
#include "shardopt/distributed/timeline.h"
#include "unit_memory.h"
#include "unit_state.h"

namespace shardopt::distributed {

/// The track of the timeline that units draw on.
inline constexpr char kComputeTrack[] = "compute";

/// Order and overlap. Gathers follow the order of runs. A unit's reduction starts when
/// the backward of the next unit that is no part of it begins, or all ends: points that
/// every rank passes in the same order, whichever parameters get gradients there, so
/// that no rank waits in one collective for another that waits in a different one.
/// Without overlap every collective is waited for where it starts.
///
/// Thread safety: none.
class UnitRuntime {
 public:
  UnitRuntime(const Mesh& mesh, const ShardingOptions& options);

  /// Before and after `unit` computes; between them it is held by the caller.
  void begin_run(UnitState& unit);
  void end_run(UnitState& unit, std::span<const at::Tensor> inputs,
               std::span<const at::Tensor> outputs);

  /// Around the forward of a unit, in which others may run.
  void enter_run(UnitState& unit) { running_.push_back(&unit); }
  void leave_run() { running_.pop_back(); }

  void hold(UnitState& unit);
  void release(UnitState& unit);
  void prefetch(UnitState* unit);

  /// From autograd's hooks.
  void begin_backward(UnitCall& call);
  void gradient_ready(UnitState& unit, std::size_t parameter);
  void inputs_done(UnitCall& call);

  void set_gradient_sync(bool on) noexcept { is_sync_on_ = on; }
  [[nodiscard]] UnitMemory& memory() noexcept { return memory_; }
  /// Null if there is none.
  [[nodiscard]] Timeline* timeline() const noexcept { return timeline_.get(); }
  void add(UnitState& unit) { units_.push_back(&unit); }

 private:
  void enter_backward(UnitState& unit);
  void enter_graph(UnitState& first);
  void check_versions(const UnitCall& call) const;
  void try_finish(UnitState& unit);
  void keep(UnitState& unit);
  void enqueue(UnitState& unit);
  void reduce_queued(const std::vector<UnitState*>& but);
  void reduce(UnitState& unit);
  void finish_backward();
  void abandon_backward();
  void drop_prefetched();
  void drop_kept();
  void leave_backward(UnitState& unit);

  const bool keep_last_gathered_;
  const bool gathers_ahead_;
  UnitMemory memory_;
  ReductionPipeline reductions_;
  const std::shared_ptr<Timeline> timeline_;   // Shared with the options' giver.
  std::optional<TimelineSpan> backward_span_;  // until the next unit's backward begins
  std::vector<UnitState*> units_;
  bool is_sync_on_ = true;

  std::vector<UnitState*> running_;     // in which others run, from the outside in
  UnitState* first_run_ = nullptr;      // of the pass that is going on
  UnitState* last_run_ = nullptr;       // began last
  UnitState* last_finished_ = nullptr;  // ended last
  UnitState* learnt_last_ = nullptr;    // the unit whose backward came first
  UnitState* prefetched_ = nullptr;
  UnitState* kept_ = nullptr;

  int graph_id_ = -1;                    // of autograd, while in a backward
  std::vector<UnitState*> in_backward_;  // in the order in which they began
  std::vector<UnitState*> queue_;        // to reduce, in this order
};

}  // namespace shardopt::distributed
