#include "shardopt/distributed/layout.h"

#include <algorithm>

#include <c10/util/Exception.h>

namespace shardopt::distributed {

int64_t row_count(const ParameterShape& shape) {
  return shape.sizes.empty() ? 1 : shape.sizes.front();
}

std::vector<int64_t> chunk_offsets(int64_t rows, int ranks) {
  TORCH_CHECK(rows >= 0, "cannot cut ", rows, " rows");
  TORCH_CHECK(ranks >= 1, "cannot cut over ", ranks, " ranks");
  const int64_t piece = (rows + ranks - 1) / ranks;
  std::vector<int64_t> offsets;
  offsets.reserve(ranks + 1);
  for (int rank = 0; rank <= ranks; ++rank) {
    offsets.push_back(std::min(rank * piece, rows));
  }
  return offsets;
}

Layout rows_layout() {
  return [](std::span<const ParameterShape> shapes, int ranks) {
    Cuts cuts;
    cuts.reserve(shapes.size());
    for (const ParameterShape& shape : shapes) {
      cuts.push_back(chunk_offsets(row_count(shape), ranks));
    }
    return cuts;
  };
}

}  // namespace shardopt::distributed
