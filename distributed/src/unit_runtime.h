/// When the units of a model gather, release and reduce.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "buffer_pool.h"
#include "unit_gradients.h"
#include "unit_storage.h"

namespace shardopt::distributed {

class UnitRuntime;

/// Forwards of a unit whose backward has not begun; graphs hold it too.
using CallCount = std::shared_ptr<int>;

struct UnitState {
  UnitState(std::string unit_name, std::vector<ModelParameter> parameters,
            const Mesh& mesh, const ShardingOptions& options, UnitRuntime& runtime);

  std::string name;
  UnitRuntime& runtime;
  UnitStorage storage;
  UnitGradients gradients;
  std::vector<UnitState*> working_set;  ///< This unit and those that hold its ties.
  bool has_frozen = false;
  int holds = 0;              ///< Gathered while above 0.
  UnitState* next = nullptr;  ///< Ran after this one the last time.
  CallCount pending_calls = std::make_shared<int>(0);

  // In the backward that is going on.
  bool is_in_backward = false;
  bool is_held_by_backward = false;
  bool is_queued = false;
  bool is_reduced = false;
  bool has_kept = false;  ///< Gradients of backwards without reduction.
  int open_calls = 0;     ///< Begun; the inputs' gradients are not complete.
  std::vector<bool> has_gradient;

  [[nodiscard]] bool has_all_gradients() const;
};

/// One forward of a unit, kept by the graph that it made.
struct UnitCall {
  UnitCall(UnitState& called, UnitState* before);
  ~UnitCall();
  UnitCall(const UnitCall&) = delete;
  UnitCall& operator=(const UnitCall&) = delete;

  UnitState& unit;
  UnitState* previous;            ///< Ended before this one: its backward comes next.
  std::vector<int64_t> versions;  ///< Of the working set's masters.
  std::vector<CallCount> pending_counts;  ///< Of the working set.
  bool is_pending = true;
  int backward_id = -1;  ///< The last backward that reached it.
  int inputs = 0;        ///< Whose gradients end its backward; 0 if nothing waits.
  int inputs_left = 0;
};

/// Order and overlap. Gathers follow the order of runs, reductions the order in which
/// units begin the last of their backwards, each on a communicator of its own: the
/// same on every rank, whichever parameters get gradients there.
///
/// Thread safety: none.
class UnitRuntime {
 public:
  UnitRuntime(const Mesh& mesh, const ShardingOptions& options);

  /// Before and after `unit` computes; between them it is held by the caller.
  void begin_run(UnitState& unit);
  void end_run(UnitState& unit, std::span<const at::Tensor> inputs,
               std::span<const at::Tensor> outputs);

  void hold(UnitState& unit);
  void release(UnitState& unit);
  void prefetch(UnitState* unit);

  /// From autograd's hooks.
  void begin_backward(UnitCall& call);
  void gradient_ready(UnitState& unit, std::size_t parameter);
  void inputs_done(UnitCall& call);

  void set_gradient_sync(bool on) noexcept { is_sync_on_ = on; }
  [[nodiscard]] BufferPool& pool() noexcept { return pool_; }
  void add(UnitState& unit) { units_.push_back(&unit); }

 private:
  void enter_backward(UnitState& unit);
  void enter_graph(UnitState& first);
  void check_versions(const UnitCall& call) const;
  void try_finish(UnitState& unit);
  void keep(UnitState& unit);
  void enqueue(UnitState& unit);
  void reduce_ready();
  void reduce(UnitState& unit);
  void wait_for_reduction();
  void finish_backward();
  void abandon_backward();
  void drop_prefetched();
  void drop_kept();
  void leave_backward(UnitState& unit);

  const bool keep_last_gathered_;
  const bool is_sharded_;  // more than one rank
  BufferPool pool_;
  std::vector<UnitState*> units_;
  bool is_sync_on_ = true;

  UnitState* first_run_ = nullptr;      // of the pass that is going on
  UnitState* last_run_ = nullptr;       // began last
  UnitState* last_finished_ = nullptr;  // ended last
  UnitState* learnt_last_ = nullptr;    // the unit whose backward came first
  UnitState* prefetched_ = nullptr;
  UnitState* kept_ = nullptr;

  int graph_id_ = -1;                    // of autograd, while in a backward
  std::vector<UnitState*> in_backward_;  // in the order in which they began
  std::vector<UnitState*> queue_;        // to reduce, in this order
  UnitState* in_flight_ = nullptr;       // being reduced
};

}  // namespace shardopt::distributed
