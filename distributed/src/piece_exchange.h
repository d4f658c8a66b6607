/// How the pieces of a reduce_scatter travel in all-to-alls of bounded memory.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/core/shard.h"

namespace shardopt::distributed {

/// Rounds of one reduce_scatter: in each, every rank receives the same elements of its
/// piece from all ranks. Computed from the cut alone, so all ranks have the same.
///
/// One round, sent from where the data is, unless receiving all at once would take
/// more than 1.25 x max(bytes of the whole, 32 MiB), which only a very uneven cut
/// does: then rounds whose send and receive buffers together fit max(whole, 32 MiB).
class PieceExchange {
 public:
  /// `whole` is [cut.global_rows(), *].
  PieceExchange(const at::Tensor& whole, const Shard& cut);

  [[nodiscard]] int64_t rounds() const noexcept { return rounds_; }

  /// Elements of the piece of `rank` that travel in `round`, and where they begin.
  [[nodiscard]] int64_t begin(int64_t round, int rank) const;
  [[nodiscard]] int64_t elements(int64_t round, int rank) const;

  /// What is sent if rounds() is 1, by destination. [elements]
  [[nodiscard]] const at::Tensor& whole() const noexcept { return whole_; }

  /// What is sent in `round`, by destination, copied to the front of `buffer`, which
  /// has at least most_sent_elements(). [sum over ranks of elements(round, rank)]
  [[nodiscard]] at::Tensor copy_sent(int64_t round, const at::Tensor& buffer) const;
  [[nodiscard]] int64_t most_sent_elements() const;

 private:
  at::Tensor whole_;              // [elements]
  std::vector<int64_t> offsets_;  // [ranks + 1], in elements
  int64_t round_elements_;
  int64_t rounds_;
};

}  // namespace shardopt::distributed
