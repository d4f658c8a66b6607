#include "shardopt/distributed/model_state.h"

#include <torch/nn/module.h>

#include "shardopt/distributed/fully_sharded_unit.h"

namespace shardopt::distributed {
namespace {

void add(StateTree& tree, const ShardedModel& model, const Parameter& parameter) {
  const std::string& name = parameter.name;
  tree.tensors.emplace(name, StateTensor{.tensor = parameter.rows,
                                         .spread = Spread::kCut,
                                         .shard = parameter.shard,
                                         .aliases = model.tied_names(name)});
  if (model.is_scalar(name)) tree.values.emplace(name + ".is_scalar", true);
}

}  // namespace

StateTree model_state(const ShardedModel& model) {
  StateTree tree{.kind = "model"};
  for (const Parameter& p : model.parameters()) add(tree, model, p);
  for (const Parameter& p : model.frozen_parameters()) add(tree, model, p);
  return tree;
}

void add_buffers(StateTree& model, const torch::nn::Module& module,
                 const std::string& prefix) {
  for (const auto& buffer : module.named_buffers()) {
    const std::string name =
        prefix.empty() ? buffer.key() : prefix + "." + buffer.key();
    const StateTensor state{.tensor = buffer.value(), .spread = Spread::kFirstRank};
    TORCH_CHECK(model.tensors.emplace(name, state).second, "the name '", name,
                "' of a buffer is taken");
  }
}

}  // namespace shardopt::distributed
