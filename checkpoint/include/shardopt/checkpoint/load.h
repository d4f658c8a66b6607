/// Loading a state from a checkpoint, whatever ranks and cut it was saved from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "shardopt/checkpoint/file_system.h"
#include "shardopt/checkpoint/rank_group.h"
#include "shardopt/core/state_tree.h"

namespace shardopt::checkpoint {

struct LoadOptions {
  /// Patterns (`*` and `?`) of names as reports show them: "model/head.*",
  /// "optimizer/*". What matches may be missing in the checkpoint, and stays as it is.
  std::vector<std::string> allow_missing{};
  /// What matches is not read, even if the checkpoint has it.
  std::vector<std::string> ignore{};
  /// "bf16:f32", as safetensors names them: what was saved in the first may be loaded
  /// into the second.
  std::vector<std::string> cast{};
  bool require_same_ranks = false;  ///< Refuse another number of ranks or copies.
  int max_fallback = 1;  ///< Damaged newer steps that may be passed over, of a root.
  int threads = 4;       ///< That read, per rank.
  FileSystem* files = nullptr;  ///< Null: posix_file_system().
};

struct LoadReport {
  int64_t step = 0;
  std::filesystem::path folder;
  std::string config_text;             ///< Of the job that saved.
  int64_t bytes = 0;                   ///< That this rank has read.
  std::vector<std::string> skipped{};  ///< Names left as they were: allowed or ignored.
  /// Per-rank tensors left as they were, since the number of ranks has changed.
  std::vector<std::string> per_rank_skipped{};
  /// On rank 0: each damaged step that was passed over; LATEST stale or unreadable.
  std::vector<std::string> warnings{};
};

/// Given a checkpoint's state, with tensors of device meta in their whole shape, says
/// where it is to go: the tree that the objects have, tensors aliasing theirs, or
/// throws (CheckpointError) if an object cannot take it. Changes nothing that trains.
/// The same on every rank but for cuts and per-rank tensors.
using Destination = std::function<StateTree(const StateTree& saved)>;

/// Loads `path`: a root (its newest sound step) or a step folder under any name.
///
/// First everything is checked against what `destination` returns: kinds, versions,
/// names and types of values, slots, dtypes, whole shapes, spreads. Every difference is
/// listed (kMismatch, the same text on every rank) and nothing was changed. Parts of
/// kind kRecordOnly are not compared. Then rows are read straight into the
/// destination's tensors, each block verified against its CRC; memory beyond those is
/// one block (4 MiB) per thread, and a copy of each tensor that is not contiguous.
///
/// Returns, in `state`, the destination with the checkpoint's values in place of its
/// own; it is for the objects' load_state to take those over.
///
/// A failure after reading began leaves tensors half changed: load again (any older
/// step overwrites all) or end. A root's damaged newest step is passed over as
/// options.max_fallback allows. Collective; the same failure on every rank.
LoadReport load(const std::filesystem::path& path, const Destination& destination,
                StateTree& state, RankGroup ranks, const LoadOptions& options = {});

/// The same into `state`, whose tensors are the destination.
LoadReport load(const std::filesystem::path& path, StateTree& state, RankGroup ranks,
                const LoadOptions& options = {});

}  // namespace shardopt::checkpoint
