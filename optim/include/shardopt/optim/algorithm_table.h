/// What is known of each algorithm, for help and documents.
#pragma once

#include <string>
#include <vector>

namespace shardopt::optim {

struct AlgorithmInfo {
  std::string name;
  std::string source;   ///< Paper or code.
  std::string state;    ///< Bytes per parameter of fp32, beside weight and gradient.
  std::string sharded;  ///< What is approximate where parameters are cut.
};

/// Every optimizer of make_optimizer_registry(), by name.
[[nodiscard]] const std::vector<AlgorithmInfo>& algorithm_table();

}  // namespace shardopt::optim
