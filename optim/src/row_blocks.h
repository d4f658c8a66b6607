/// Matrices that lie within one parameter, one below the other (fused QKV).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shardopt/core/parameter.h"
#include "shardopt/optim/muon_options.h"

namespace shardopt::optim {

/// "64,64,64" as rows of each block. Throws ConfigError, naming
/// optimizer.muon.row_blocks, unless these are positive whole numbers.
[[nodiscard]] std::vector<int64_t> parse_row_blocks(const std::string& text);

/// Whether row_blocks hold for `parameter`.
[[nodiscard]] bool has_row_blocks(const Parameter& parameter,
                                  const MuonOptions& options);

/// Throws ConfigError if row blocks hold for `parameter`, but it is a batch of
/// matrices, or they do not sum up to its rows.
void check_row_blocks(const Parameter& parameter, const MuonOptions& options);

/// Whether a matrix of `parameter` lies on more than one rank.
[[nodiscard]] bool is_matrix_cut(const Parameter& parameter,
                                 const MuonOptions& options);

}  // namespace shardopt::optim
