/// How several cut tensors travel in one message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "shardopt/core/shard.h"

namespace shardopt::distributed {

/// One tensor as a plan sees it: its cut, and entries per row.
struct WireTensor {
  Shard cut;
  int64_t row_numel;
};

/// Order of entries in a message: rank by rank, within a rank tensor by tensor, and
/// `trailer` further entries at the end of each rank's part. So every part is
/// contiguous, and a collective moves no padding.
class WirePlan {
 public:
  /// A run of entries: in the message, and in the flattened whole tensor.
  struct Piece {
    int64_t message_begin;
    int64_t tensor_begin;
    int64_t numel;
  };

  WirePlan(const std::vector<WireTensor>& tensors, int rank, int ranks,
           int64_t trailer);

  /// The cut of the message, in entries.
  [[nodiscard]] const Shard& cut() const noexcept { return cut_; }
  [[nodiscard]] int64_t numel() const { return cut_.global_rows(); }
  [[nodiscard]] const Piece& piece(std::size_t tensor, int rank) const {
    return pieces_.at(static_cast<std::size_t>(rank)).at(tensor);
  }
  /// Where the trailer of `rank` begins in the message.
  [[nodiscard]] int64_t trailer_begin(int rank) const {
    return cut_.begin(rank + 1) - trailer_;
  }

 private:
  std::vector<std::vector<Piece>> pieces_;  // by rank, then tensor
  int64_t trailer_;
  Shard cut_;
};

}  // namespace shardopt::distributed
