/// The ranks of a job, as sharded training uses them.
#pragma once

#include <memory>

#include "shardopt/distributed/communicator.h"

namespace shardopt::distributed {

/// The groups of a mesh that one rank is in.
struct MeshGroups {
  std::unique_ptr<Communicator> shard;   ///< Ranks that hold one copy of the model.
  std::unique_ptr<Communicator> reduce;  ///< The same ranks, in the same order.
  /// Ranks that hold the same rows, one of each copy; null: there is one copy.
  std::unique_ptr<Communicator> replicate{};
  /// All ranks; null: those of `shard`, which it takes if there is one copy.
  std::unique_ptr<Communicator> world{};
};

/// replicate x shard ranks (HSDP). Rank r of the world is rank r mod S of the shard
/// group number r / S, where S is the size of a shard group.
///
/// Gathers and reductions are orders of their own, each with a communicator, so that
/// neither waits for the other and ranks need agree only within each. Optimizers use
/// `shard`: what they compute is then the same on every copy. What all ranks must agree
/// on (losses, signals, failures) goes over `world`.
///
/// Ownership: the mesh owns its groups. Thread safety: as Communicator.
class Mesh {
 public:
  /// Throws c10::Error if a group is missing or the groups' ranks and sizes do not fit.
  explicit Mesh(MeshGroups groups);
  /// One copy of the model.
  Mesh(std::unique_ptr<Communicator> shard, std::unique_ptr<Communicator> reduce)
      : Mesh(MeshGroups{std::move(shard), std::move(reduce)}) {}

  /// Of the world.
  [[nodiscard]] int rank() const noexcept { return world().rank(); }
  [[nodiscard]] int size() const noexcept { return world().size(); }

  [[nodiscard]] Communicator& shard() const noexcept { return *groups_.shard; }
  [[nodiscard]] Communicator& reduce() const noexcept { return *groups_.reduce; }
  [[nodiscard]] Communicator& replicate() const noexcept { return *groups_.replicate; }
  [[nodiscard]] Communicator& world() const noexcept {
    return groups_.world ? *groups_.world : *groups_.shard;
  }

 private:
  MeshGroups groups_;
};

/// The mesh of one rank.
[[nodiscard]] Mesh make_single_mesh();

}  // namespace shardopt::distributed
