/// What a unit is, and where it is in the step that goes on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

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
  std::string forward_label;  ///< In the timeline.
  std::string backward_label;
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
  UnitCall(UnitState& called, UnitState* before, std::vector<UnitState*> around);
  ~UnitCall();
  UnitCall(const UnitCall&) = delete;
  UnitCall& operator=(const UnitCall&) = delete;

  UnitState& unit;
  UnitState* previous;  ///< Ended before this one: its backward comes next.
  std::vector<UnitState*> enclosing;      ///< Whose forwards this one was a part of.
  std::vector<int64_t> versions;          ///< Of the working set's masters.
  std::vector<CallCount> pending_counts;  ///< Of the working set.
  bool is_pending = true;
  int backward_id = -1;  ///< The last backward that reached it.
  int inputs = 0;        ///< Whose gradients end its backward; 0 if nothing waits.
  int inputs_left = 0;
};

}  // namespace shardopt::distributed
