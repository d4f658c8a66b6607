/// Rank 0's part of a save, once every rank has written: the one rename that counts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "files.h"
#include "manifest_codec.h"
#include "retention.h"

namespace shardopt::checkpoint {

/// A step of a branch that is left, and the attempt that it was when that was decided.
struct LeftStep {
  int64_t step = 0;
  std::string attempt{};  ///< Empty: its MANIFEST could not be read.
};

/// A save that is to be committed.
struct Commit {
  Manifest manifest;                 ///< Without files, tensors and total.
  std::vector<std::string> parts{};  ///< Encoded RankParts, by rank.
  std::vector<LeftStep>
      left_steps{};  ///< Of a branch that is left: never to come back.
  RetentionRules retention{};
};

/// The attempt that the MANIFEST of a step's folder names. Throws if it cannot be read.
[[nodiscard]] std::string committed_attempt(const Handle& step);

/// Adds what the ranks have written to `manifest` and checks the whole. Throws
/// CheckpointFailure (kCorrupt): no manifest that a reader refuses is ever written.
void merge_parts(const std::vector<std::string>& parts, Manifest& manifest);

/// Merges the parts, turns the MANIFEST of left steps into MANIFEST.stale, and makes
/// this step's MANIFEST: until its rename and the sync of its folder nothing is
/// committed, and whatever fails is thrown. After that LATEST, retention and the
/// removal of dead attempts may fail: a warning each, returned.
[[nodiscard]] std::vector<std::string> commit(const Handle& root, Commit work);

}  // namespace shardopt::checkpoint
