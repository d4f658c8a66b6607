#include "shardopt/distributed/sharded_module.h"

namespace shardopt::distributed {

std::vector<ModelParameter> parameters_of(const torch::nn::Module& module,
                                          const std::string& prefix,
                                          const RoleOf& role_of) {
  std::vector<ModelParameter> result;
  for (const auto& item : module.named_parameters()) {
    std::string name = prefix.empty() ? item.key() : prefix + "." + item.key();
    const ParameterRole role = role_of ? role_of(name) : ParameterRole::kHidden;
    result.push_back({std::move(name), item.value(), role});
  }
  return result;
}

}  // namespace shardopt::distributed
