/// Muon: momentum, orthogonalized by Newton-Schulz (K. Jordan et al. 2024,
/// kellerjordan.github.io/posts/muon; heavy-ball form of Liu et al. 2025,
/// arXiv:2502.16982).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "shardopt/optim/grouped_optimizer.h"
#include "shardopt/optim/muon_options.h"

namespace shardopt::optim {

struct MuonSplit;  // Muon's groups, and those of its internal optimizer.

/// State: slot "momentum" of the rows that the layout gives this rank, and with normuon
/// "row_second_moment", a number for each row (Li et al. 2025, arXiv:2510.05491).
///
/// It takes parameters that the options' routing leaves it: by name, role, dimensions
/// and whole shape, so every rank takes the same. All others train in the nested
/// optimizer, named after its algorithm, which has groups of the same names.
///
/// Mode local_shard: each rank orthogonalizes and scales its own rows, so the result
/// depends on the cut unless matrices lie whole on single ranks. The only communication
/// is caution's.
class Muon final : public GroupedOptimizer<MuonOptions> {
 public:
  /// Throws ConfigError if options are out of range, a pattern finds no parameter,
  /// row_blocks do not sum up to the rows of a parameter that they hold for, or
  /// `adaptive` meets a matrix that is cut over ranks; c10::Error as add_group does.
  explicit Muon(std::vector<ParamGroup<MuonOptions>> groups);

 private:
  explicit Muon(MuonSplit split);

  void update(GroupTensors& tensors, const MuonOptions& options,
              ScalarSums& sums) const override;

  // Rows on this rank of each matrix within a parameter, by name, of those that
  // row_blocks hold for.
  std::map<std::string, std::vector<int64_t>> blocks_;
};

}  // namespace shardopt::optim
