#include "shardopt/optim/optimizer_registry.h"

#include <memory>

#include "shardopt/optim/adam.h"
#include "shardopt/optim/dual_scaled_adam.h"
#include "shardopt/optim/lion.h"
#include "shardopt/optim/muon.h"
#include "shardopt/optim/nadam.h"
#include "shardopt/optim/schedule_free_adamw.h"
#include "shardopt/optim/schedule_free_sgd.h"
#include "shardopt/optim/sgd.h"

namespace shardopt::optim {
namespace {

// A factory of `Algorithm`, whose options are `member` of the configuration.
template <typename Algorithm, typename Options, typename... Name>
OptimizerRegistry::Factory factory(Options OptimizerConfig::*member, Name... name) {
  return [=](std::vector<GroupRequest> requests, const OptimizerConfig& config,
             const distributed::Mesh&) {
    return std::make_unique<Algorithm>(
        resolve_groups(std::move(requests), config.*member, config), name...);
  };
}

// A group's own value goes before the internal optimizer's: it is the nearer one.
template <typename Internal>
void prefer_own(const GroupRequest& request, Internal& internal) {
  if (request.lr) internal.lr.reset();
  if (request.weight_decay) internal.weight_decay.reset();
}

std::unique_ptr<Optimizer> make_muon(std::vector<GroupRequest> requests,
                                     const OptimizerConfig& config,
                                     const distributed::Mesh&) {
  std::vector<ParamGroup<MuonOptions>> groups =
      resolve_groups(requests, config.muon, config);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    MuonOptions& options = groups[i].options;
    prefer_own(requests[i], options.adamw);
    prefer_own(requests[i], options.nadamw);
    prefer_own(requests[i], options.lion);
  }
  return std::make_unique<Muon>(std::move(groups));
}

}  // namespace

OptimizerRegistry make_optimizer_registry() {
  using Config = OptimizerConfig;
  OptimizerRegistry registry("optimizer");
  registry.add("adam", factory<Adam>(&Config::adam, "adam"));
  registry.add("adamw", factory<Adam>(&Config::adamw, "adamw"));
  registry.add("dual_scaled_adam", factory<DualScaledAdam>(&Config::dual_scaled_adam));
  registry.add("lion", factory<Lion>(&Config::lion));
  registry.add("muon", make_muon);
  registry.add("nadam", factory<Nadam>(&Config::nadam, "nadam"));
  registry.add("nadamw", factory<Nadam>(&Config::nadamw, "nadamw"));
  registry.add("schedule_free_adamw",
               factory<ScheduleFreeAdamW>(&Config::schedule_free_adamw));
  registry.add("schedule_free_sgd",
               factory<ScheduleFreeSgd>(&Config::schedule_free_sgd));
  registry.add("sgd", factory<Sgd>(&Config::sgd));
  return registry;
}

}  // namespace shardopt::optim
