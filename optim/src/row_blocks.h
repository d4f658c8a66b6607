/// Matrices that lie within one parameter, one below the other (fused QKV).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "shardopt/core/parameter.h"
#include "shardopt/optim/muon_options.h"

namespace shardopt::optim {

/// Rows of each block, by a parameter's name.
using RowBlocks = std::map<std::string, std::vector<int64_t>>;

/// "64,64,64" as rows of each block. Throws ConfigError, naming
/// optimizer.muon.row_blocks, unless these are positive whole numbers.
[[nodiscard]] std::vector<int64_t> parse_row_blocks(const std::string& text);

/// First row of each block of `parameter`, which row_blocks hold for, and the end of
/// the last. Throws ConfigError if it is a batch of matrices, or blocks do not sum up
/// to its rows.
[[nodiscard]] std::vector<int64_t> block_bounds(const Parameter& parameter,
                                                const MuonOptions& options);

/// How many of this rank's rows are each block's, without blocks that it has none of;
/// one entry of 0 if it has no row.
[[nodiscard]] std::vector<int64_t> local_block_rows(const std::vector<int64_t>& bounds,
                                                    const Shard& shard);

/// Whether a block, of those between `bounds`, lies on more than one rank.
[[nodiscard]] bool is_block_cut(const std::vector<int64_t>& bounds, const Shard& shard);

}  // namespace shardopt::optim
