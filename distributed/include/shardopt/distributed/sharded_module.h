/// A torch::nn module whose parameters are sharded, used like the module itself.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/nn/module.h>

#include "shardopt/distributed/fully_sharded_unit.h"

namespace shardopt::distributed {

/// Says what a parameter of this full name does; the default: all are kHidden.
using RoleOf = std::function<ParameterRole(const std::string& name)>;

/// All parameters of `module`, frozen ones too, named `prefix` + "." + their name
/// there (without the dot if `prefix` is empty).
[[nodiscard]] std::vector<ModelParameter> parameters_of(const torch::nn::Module& module,
                                                        const std::string& prefix,
                                                        const RoleOf& role_of = {});

/// Makes `module` a unit of `model` and stands in its place: `forward` gathers the
/// parameters, calls the module's own, and frees them again.
///
///     ShardedModule<Block> block(model, "blocks.0", std::make_shared<Block>(...));
///     x = block.forward(x);
///
/// Ownership: shares the module; `model` outlives it.
template <typename Module>
class ShardedModule {
 public:
  /// As ShardedModel::add_unit; `name` is the unit's name and the parameters' prefix.
  ShardedModule(ShardedModel& model, const std::string& name,
                std::shared_ptr<Module> module, const RoleOf& role_of = {})
      : ShardedModule(model, name, name, std::move(module), role_of) {}

  /// With another prefix than the unit's name.
  ShardedModule(ShardedModel& model, const std::string& name, const std::string& prefix,
                std::shared_ptr<Module> module, const RoleOf& role_of = {})
      : module_(std::move(module)),
        unit_(model.add_unit(name, parameters_of(*module_, prefix, role_of))) {}

  /// Collective; see FullyShardedUnit::run. The module's forward takes tensors and
  /// returns one.
  template <typename... Inputs>
  at::Tensor forward(const Inputs&... inputs) {
    const std::vector<at::Tensor> list{inputs...};
    const auto call = [&]() -> std::vector<at::Tensor> {
      return {module_->forward(inputs...)};
    };
    return unit_.run(list, call).front();
  }

  [[nodiscard]] const std::shared_ptr<Module>& module() const noexcept {
    return module_;
  }
  [[nodiscard]] FullyShardedUnit& unit() const noexcept { return unit_; }

 private:
  std::shared_ptr<Module> module_;
  FullyShardedUnit& unit_;
};

}  // namespace shardopt::distributed
