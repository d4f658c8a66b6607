/// The ranks of a job, as sharded training uses them.
#pragma once

#include <memory>

#include "shardopt/distributed/communicator.h"

namespace shardopt::distributed {

/// Two communicators over the same shard ranks: gathers and reductions are orders of
/// their own, so that neither waits for the other and ranks need agree only within
/// each. Everything else (optimizers, clipping, agreement) uses `shard`.
///
/// Ownership: the mesh owns both. Thread safety: as Communicator.
class Mesh {
 public:
  /// `reduce` spans the ranks of `shard`, in the same order. Throws c10::Error if
  /// rank or size differ.
  Mesh(std::unique_ptr<Communicator> shard, std::unique_ptr<Communicator> reduce);

  [[nodiscard]] int rank() const noexcept { return shard_->rank(); }
  [[nodiscard]] int size() const noexcept { return shard_->size(); }
  [[nodiscard]] Communicator& shard() const noexcept { return *shard_; }
  [[nodiscard]] Communicator& reduce() const noexcept { return *reduce_; }

 private:
  std::unique_ptr<Communicator> shard_;
  std::unique_ptr<Communicator> reduce_;
};

/// The mesh of one rank.
[[nodiscard]] Mesh make_single_mesh();

}  // namespace shardopt::distributed
