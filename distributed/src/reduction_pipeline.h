/// Reductions of several units, one behind the other.
#pragma once

#include "unit_gradients.h"

namespace shardopt::distributed {

/// While the gradients of one unit are summed over the ranks of a copy, those of the
/// unit before are over the copies, and backward goes on. No more are under way: whole
/// gradients of two units exist, not of all.
///
/// Ranks that start the same units in the same order make the same calls in the same
/// order on both groups.
///
/// Thread safety: none.
class ReductionPipeline {
 public:
  /// If not overlapped, `start` waits for what it has started.
  explicit ReductionPipeline(bool is_overlapped) : is_overlapped_(is_overlapped) {}

  void start(UnitGradients& unit);
  /// Waits for all of them.
  void finish();
  /// Forgets them: the caller discards what the units have under way.
  void abandon() noexcept { first_ = second_ = nullptr; }

 private:
  void advance();

  const bool is_overlapped_;
  UnitGradients* first_ = nullptr;   // in its first sum
  UnitGradients* second_ = nullptr;  // in its second
};

}  // namespace shardopt::distributed
