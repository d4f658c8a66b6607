#include "unit_state.h"

#include <algorithm>
#include <utility>

#include "unit_runtime.h"

namespace shardopt::distributed {

UnitState::UnitState(std::string unit_name, std::vector<ModelParameter> parameters,
                     const Mesh& mesh, const ShardingOptions& options,
                     UnitRuntime& unit_runtime)
    : name(std::move(unit_name)),
      forward_label("forward " + name),
      backward_label("backward " + name),
      runtime(unit_runtime),
      storage(std::move(parameters), mesh.shard(), options, unit_runtime.memory()),
      gradients(storage, mesh, options.reduce_dtype, unit_runtime.memory()),
      working_set{this} {
  has_frozen = gradients.count() < storage.parameters().size();
  has_gradient.resize(storage.parameters().size());
}

bool UnitState::has_all_gradients() const {
  return static_cast<std::size_t>(std::ranges::count(has_gradient, true)) ==
         gradients.count();
}

UnitCall::UnitCall(UnitState& called, UnitState* before, std::vector<UnitState*> around)
    : unit(called), previous(before), enclosing(std::move(around)) {
  for (UnitState* member : unit.working_set) {
    versions.push_back(member->storage.version());
    pending_counts.push_back(member->pending_calls);
    ++*member->pending_calls;
  }
}

UnitCall::~UnitCall() {
  if (!is_pending) return;
  for (const auto& count : pending_counts) --*count;
}

}  // namespace shardopt::distributed
