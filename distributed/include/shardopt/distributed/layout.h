/// Where the rows of every parameter lie: a pure function of shapes and ranks.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace shardopt::distributed {

/// What a layout is told of a parameter.
struct ParameterShape {
  std::string name;
  std::vector<int64_t> sizes;  ///< Of the whole; empty for a 0-d tensor.
};

/// For each parameter, in order, the offsets [ranks + 1] of its rows' cut.
using Cuts = std::vector<std::vector<int64_t>>;

/// Every rank calls it with the same arguments and gets the same cuts.
using Layout = std::function<Cuts(std::span<const ParameterShape>, int ranks)>;

/// Rows of dimension 0; a 0-d tensor counts as one.
[[nodiscard]] int64_t row_count(const ParameterShape& shape);

/// `rows` over `ranks` as torch.chunk does, and so DTensor's Shard(0): pieces of
/// ceil(rows / ranks) from rank 0 on; the last may be shorter, or empty.
[[nodiscard]] std::vector<int64_t> chunk_offsets(int64_t rows, int ranks);

/// Layout "rows": every parameter by chunk_offsets.
[[nodiscard]] Layout rows_layout();

}  // namespace shardopt::distributed
