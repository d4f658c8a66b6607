/// Optimizers by name.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shardopt/core/parameter.h"
#include "shardopt/core/registry.h"
#include "shardopt/distributed/mesh.h"
#include "shardopt/optim/grouped_optimizer.h"
#include "shardopt/optim/optimizer.h"
#include "shardopt/optim/optimizer_config.h"

namespace shardopt::optim {

/// A group that a factory is to build.
struct GroupRequest {
  std::string name;
  std::vector<Parameter> parameters;
  std::optional<double> lr{};            ///< Unset: the config's.
  std::optional<double> weight_decay{};  ///< Unset: the config's.
};

/// Factories take groups, the configuration (each reads the struct of its name; one
/// that a user registers reads `options`) and the ranks that the parameters are cut
/// over; that mesh outlives the optimizer.
using OptimizerRegistry = Registry<Optimizer, std::vector<GroupRequest>,
                                   const OptimizerConfig&, const distributed::Mesh&>;

/// A registry that holds every optimizer of this library. Add your own to it.
[[nodiscard]] OptimizerRegistry make_optimizer_registry();

/// For factories: groups with `options`, in which lr and weight_decay are the
/// request's, else the config's, else left as they are, and rules the config's.
template <typename Options>
[[nodiscard]] std::vector<ParamGroup<Options>> resolve_groups(
    std::vector<GroupRequest> requests, Options options,
    const OptimizerConfig& config) {
  options.lr = config.lr.value_or(options.lr);
  options.weight_decay = config.weight_decay.value_or(options.weight_decay);
  options.rules = config.rules;
  std::vector<ParamGroup<Options>> groups;
  for (GroupRequest& request : requests) {
    Options own = options;
    own.lr = request.lr.value_or(own.lr);
    own.weight_decay = request.weight_decay.value_or(own.weight_decay);
    groups.push_back(
        {std::move(request.name), std::move(request.parameters), std::move(own)});
  }
  return groups;
}

}  // namespace shardopt::optim
