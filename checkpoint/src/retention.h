/// Which steps of a root go, and how.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "files.h"

namespace shardopt::checkpoint {

struct RetentionRules {
  int64_t keep = 3;            ///< Newest sound steps that stay; 0: all.
  int64_t keep_every = 0;      ///< Multiples of it stay; 0: none for that.
  int64_t protected_step = 0;  ///< Stays (0: none): the one that the job came from.
};

/// Removes what `rules` do not keep: sound steps but the newest ones, pinned ones and
/// milestones; damaged steps older than all that stay; and folders of steps that never
/// were committed, or whose branch was left. Of those that stay, attempts that died and
/// temporaries. Only who holds LOCK may call it.
///
/// Returns the names of what it has removed; what it could not is a line in `warnings`.
std::vector<std::string> apply_retention(const Handle& root,
                                         const RetentionRules& rules,
                                         std::vector<std::string>& warnings);

/// MANIFEST first, and synced: half a removal leaves no step. Then data, attempts, and
/// the folder. Files that are not of a checkpoint make it fail at the end. Throws.
void remove_step(const Handle& root, const std::string& name);

/// Of a step folder: attempts but `attempt`, and temporaries. Throws.
void remove_other_attempts(const Handle& step, const std::string& attempt);

/// One attempt's folder with its data files. Not being there is no error. Throws.
void remove_attempt(const Handle& step, const std::string& folder_name);

}  // namespace shardopt::checkpoint
