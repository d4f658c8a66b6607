/// Cuts that the counts of bytes are made at.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "shardopt/distributed/layout.h"

namespace shardopt::bench {

/// Half of the rows to rank 0, half of the rest to rank 1 and so on; the last rank
/// takes what is left. A single row is the last rank's: the others' pieces are empty.
[[nodiscard]] inline std::vector<int64_t> halving_offsets(int64_t rows, int ranks) {
  std::vector<int64_t> offsets{0};
  for (int rank = 0; rank + 1 < ranks; ++rank) {
    offsets.push_back(offsets.back() + (rows - offsets.back()) / 2);
  }
  offsets.push_back(rows);
  return offsets;
}

/// Every parameter by halving_offsets.
[[nodiscard]] inline distributed::Layout halving_layout() {
  return [](std::span<const distributed::ParameterShape> shapes, int ranks) {
    distributed::Cuts cuts;
    for (const auto& shape : shapes) {
      cuts.push_back(halving_offsets(distributed::row_count(shape), ranks));
    }
    return cuts;
  };
}

}  // namespace shardopt::bench
