/// Which rows of a tensor each rank holds.
#pragma once

#include <cstdint>
#include <vector>

namespace shardopt {

/// A cut of dimension 0 of a tensor's global shape into contiguous ranges of rows,
/// one per rank in rank order. Any cut: ranges may be empty, one rank may hold all.
/// A 0-d tensor counts as one row.
class Shard {
 public:
  /// Rank r holds rows [offsets[r], offsets[r + 1]); the piece of `rank` is ours.
  /// Throws c10::Error unless `offsets` starts at 0, never falls and has one entry
  /// more than there are ranks.
  Shard(std::vector<int64_t> offsets, int rank);

  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] int ranks() const noexcept {
    return static_cast<int>(offsets_.size()) - 1;
  }
  /// [ranks + 1]
  [[nodiscard]] const std::vector<int64_t>& offsets() const noexcept {
    return offsets_;
  }
  [[nodiscard]] int64_t begin(int rank) const { return offsets_.at(rank); }
  [[nodiscard]] int64_t rows(int rank) const { return begin(rank + 1) - begin(rank); }
  [[nodiscard]] int64_t local_begin() const { return begin(rank_); }
  [[nodiscard]] int64_t local_rows() const { return rows(rank_); }
  [[nodiscard]] int64_t global_rows() const { return offsets_.back(); }

  [[nodiscard]] bool operator==(const Shard&) const = default;

 private:
  std::vector<int64_t> offsets_;  // [ranks + 1]
  int rank_;
};

}  // namespace shardopt
