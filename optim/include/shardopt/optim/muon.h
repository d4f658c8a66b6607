/// Muon: momentum, orthogonalized by Newton-Schulz (K. Jordan et al. 2024,
/// kellerjordan.github.io/posts/muon; heavy-ball form of Liu et al. 2025,
/// arXiv:2502.16982).
#pragma once

#include <vector>

#include "shardopt/optim/grouped_optimizer.h"
#include "shardopt/optim/muon_options.h"

namespace shardopt::optim {

struct MuonSplit;  // groups of Muon and of its internal AdamW

/// State: one slot, "momentum", of the rows that the layout gives this rank.
///
/// It takes parameters of two dimensions or more without "bias" in the name (any
/// case) that are neither embedding nor head nor excluded nor too long, as the options
/// say; name, role and global shape alone decide. All others train in the nested
/// optimizer "adamw", which has groups of the same names.
///
/// Parameters beyond 2-D are flattened to (rows, rest). Mode local_shard: no
/// communication; each rank orthogonalizes and scales its own rows, so the result
/// depends on the cut unless matrices lie whole on single ranks.
class Muon final : public GroupedOptimizer<MuonOptions> {
 public:
  /// Throws ConfigError if options are out of range, c10::Error as add_group does.
  explicit Muon(std::vector<ParamGroup<MuonOptions>> groups);

 private:
  explicit Muon(MuonSplit split);

  void update(GroupTensors& tensors, const MuonOptions& options) const override;
};

}  // namespace shardopt::optim
