/// The ranks that save or load a state together.
#pragma once

#include "shardopt/distributed/communicator.h"
#include "shardopt/distributed/mesh.h"

namespace shardopt::checkpoint {

/// Made of a mesh, or of a communicator whose ranks hold one copy of the model; either
/// outlives it. Rank r of `world` has piece r mod `shards()` of each cut tensor.
class RankGroup {
 public:
  // Implicit: `save(root, step, state, communicator)` reads as what it does.
  RankGroup(distributed::Communicator& one_copy) : world_(&one_copy) {}
  RankGroup(const distributed::Mesh& mesh)
      : world_(&mesh.world()), replicate_(&mesh.replicate()) {}

  [[nodiscard]] distributed::Communicator& world() const noexcept { return *world_; }
  /// Ranks that hold the same rows; null: this one alone.
  [[nodiscard]] distributed::Communicator* replicate() const noexcept {
    return replicate_;
  }
  [[nodiscard]] int rank() const noexcept { return world_->rank(); }
  [[nodiscard]] int size() const noexcept { return world_->size(); }
  [[nodiscard]] int copies() const noexcept {
    return replicate_ == nullptr ? 1 : replicate_->size();
  }
  [[nodiscard]] int shards() const noexcept { return size() / copies(); }

 private:
  distributed::Communicator* world_;
  distributed::Communicator* replicate_ = nullptr;
};

}  // namespace shardopt::checkpoint
