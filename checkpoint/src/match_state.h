/// Whether a checkpoint fits what it is to be loaded into.
#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "flat_state.h"
#include "shardopt/checkpoint/load.h"
#include "shardopt/checkpoint/manifest.h"
#include "shardopt/core/state_tree.h"

namespace shardopt::checkpoint {

/// Rows that are to be read into one tensor.
struct Target {
  const StoredTensor* stored = nullptr;  ///< In the manifest that was matched.
  std::string path;                      ///< "optimizer/parameters/w/exp_avg"
  at::Tensor rows;  ///< Destination, aliasing the object's; [rows, *].
  int64_t row_begin = 0;
  int64_t row_end = 0;
};

/// What a match has found out. Paths of tensors of the root's part "model" start with
/// "model/".
struct Match {
  std::vector<Target> targets{};
  std::vector<std::string> problems{};  ///< Every difference; none: it fits.
  std::vector<std::string> skipped{};   ///< Missing ones that may be, and ignored ones.
  std::vector<std::string> per_rank_skipped{};
};

/// Compares `manifest` with `destination`, the tree of the objects on rank `rank` of
/// `world_size`, and puts the saved values into it where names and types agree. Parts
/// of kind kRecordOnly are taken over whole. A pattern that matches nothing is a
/// problem.
[[nodiscard]] Match match_state(const Manifest& manifest, StateTree& destination,
                                const LoadOptions& options, int rank, int world_size);

}  // namespace shardopt::checkpoint
