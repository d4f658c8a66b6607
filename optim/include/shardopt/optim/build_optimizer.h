/// From parameters and a configuration to an optimizer.
#pragma once

#include <memory>
#include <vector>

#include "shardopt/core/parameter.h"
#include "shardopt/distributed/mesh.h"
#include "shardopt/optim/optimizer.h"
#include "shardopt/optim/optimizer_config.h"
#include "shardopt/optim/optimizer_registry.h"

namespace shardopt::optim {

/// An optimizer of `config.name` with the groups "decay" and "no_decay" (always both)
/// and the user's: a rule `x` makes "x" if it sets weight_decay itself, else
/// "x.decay" and "x.no_decay", of which an empty one is left out. Groups with an
/// algorithm of their own live in a nested optimizer of that algorithm's name (with
/// "_groups" behind it where the optimizer has such a part already).
///
/// Parameters of overwrite_with_gradient are in the nested optimizer "overwrite". The
/// mesh outlives the optimizer.
///
/// Groups follow from names, roles and dimensions alone: every rank builds the same.
/// Throws ConfigError, naming field and value, for an unknown algorithm, an option out
/// of range, a pattern that does not compile or takes no parameter, a group name used
/// twice, and `options` where no algorithm is one that the user registered.
[[nodiscard]] std::unique_ptr<Optimizer> build_optimizer(
    std::vector<Parameter> parameters, const OptimizerConfig& config,
    const distributed::Mesh& mesh,
    const OptimizerRegistry& registry = make_optimizer_registry());

/// Those of `parameters` that config.overwrite_with_gradient finds, in order. Throws
/// ConfigError if the pattern does not compile.
[[nodiscard]] std::vector<Parameter> overwritten_parameters(
    const std::vector<Parameter>& parameters, const OptimizerConfig& config);

}  // namespace shardopt::optim
