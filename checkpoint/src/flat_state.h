/// A StateTree as a manifest's state and a list of tensors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/checkpoint/manifest.h"
#include "shardopt/core/state_tree.h"

namespace shardopt::checkpoint {

/// One tensor of the tree, in this rank's part.
struct FlatTensor {
  std::string name;  ///< Of a kPerRank one without "@" and the rank.
  Spread spread = Spread::kReplicated;
  at::Tensor local;              ///< Aliases the tree's: [rows here, *].
  std::vector<int64_t> shape{};  ///< Of the whole; of a kPerRank one, of ours.
  /// [shards + 1], which rows each shard rank has; empty unless kCut.
  std::vector<int64_t> offsets{};
  std::vector<std::string> aliases{};
};

struct FlatState {
  StoredState state;
  std::vector<FlatTensor> tensors{};  ///< By rising name.
};

/// A tensor of the root's child "model" is called by its own name, every other one by
/// its path, as "optimizer/parameters/head.weight/exp_avg". Names of parts and slots
/// hold no "/", those of per-rank tensors no "@".
///
/// Throws CheckpointFailure (kMismatch), naming the entry, if a name is not legal or
/// taken, a tensor is undefined, not dense or of a dtype that safetensors lacks, a cut
/// one has no shard or other rows than it says, or the tree is deeper than
/// kMaxStateDepth. Local.
[[nodiscard]] FlatState flatten(const StateTree& tree);

/// The tree of a manifest. Tensors are of device meta and whole; of a kPerRank one,
/// that of `rank` (of rank 0 if the writers were fewer).
[[nodiscard]] StateTree unflatten(const Manifest& manifest, int rank);

}  // namespace shardopt::checkpoint
