#include "shardopt/optim/optimizer_registry.h"

#include <memory>

#include "shardopt/optim/adamw.h"
#include "shardopt/optim/lion.h"
#include "shardopt/optim/muon.h"

namespace shardopt::optim {
namespace {

std::unique_ptr<Optimizer> make_adamw(std::vector<GroupRequest> requests,
                                      const OptimizerConfig& config,
                                      const distributed::Mesh&) {
  return std::make_unique<AdamW>(
      resolve_groups(std::move(requests), config.adamw, config));
}

std::unique_ptr<Optimizer> make_lion(std::vector<GroupRequest> requests,
                                     const OptimizerConfig& config,
                                     const distributed::Mesh&) {
  return std::make_unique<Lion>(
      resolve_groups(std::move(requests), config.lion, config));
}

std::unique_ptr<Optimizer> make_muon(std::vector<GroupRequest> requests,
                                     const OptimizerConfig& config,
                                     const distributed::Mesh&) {
  std::vector<ParamGroup<MuonOptions>> groups =
      resolve_groups(requests, config.muon, config);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    // A group's own value goes before the internal AdamW's: it is the nearer one.
    MuonAdamWOptions& internal = groups[i].options.adamw;
    if (requests[i].lr) internal.lr.reset();
    if (requests[i].weight_decay) internal.weight_decay.reset();
  }
  return std::make_unique<Muon>(std::move(groups));
}

}  // namespace

OptimizerRegistry make_optimizer_registry() {
  OptimizerRegistry registry("optimizer");
  registry.add("adamw", make_adamw);
  registry.add("lion", make_lion);
  registry.add("muon", make_muon);
  return registry;
}

}  // namespace shardopt::optim
