/// Which steps of a root go, and how.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "files.h"

namespace shardopt::checkpoint {

struct RetentionRules {
  int64_t keep = 3;        ///< Newest sound steps that stay; 0: all.
  int64_t keep_every = 0;  ///< Multiples of it stay; 0: none for that.
  /// Stay: the one that the job came from, the one just committed.
  std::set<int64_t> protected_steps{};
};

/// Removes what `rules` do not keep: steps behind `keep` newer sound ones, damaged or
/// not, but for pinned ones and milestones; and folders of steps that never were
/// committed, or whose branch was left. Of sound steps that stay, attempts that died
/// and temporaries. Nothing where no step is sound. Only who holds LOCK may call it.
///
/// Returns the names of what it has removed; what it could not is a line in `warnings`.
std::vector<std::string> apply_retention(const Handle& root,
                                         const RetentionRules& rules,
                                         std::vector<std::string>& warnings);

/// MANIFEST first, and synced: half a removal leaves no step. Then data, attempts, and
/// the folder. Files that are not of a checkpoint make it fail at the end. Throws.
void remove_step(const Handle& root, const std::string& name);

/// Of a step folder: attempts but `attempt`, temporaries and MANIFEST.stale. Throws.
void remove_other_attempts(const Handle& step, const std::string& attempt);

/// One attempt's folder with its data files. Not being there is no error. Throws.
void remove_attempt(const Handle& step, const std::string& folder_name);

}  // namespace shardopt::checkpoint
