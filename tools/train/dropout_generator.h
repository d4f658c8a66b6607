/// Where dropout masks come from.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Generator.h>

#include "shardopt/core/random.h"

namespace shardopt::train {

/// One of its own for each rank.
[[nodiscard]] inline at::Generator dropout_generator(uint64_t seed, int rank) {
  return make_named_generator(seed, "dropout." + std::to_string(rank));
}

}  // namespace shardopt::train
