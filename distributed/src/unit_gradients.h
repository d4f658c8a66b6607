/// Gradients of one unit, from whole leaves to the rows that each rank holds.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/distributed/communicator.h"
#include "shardopt/distributed/mesh.h"
#include "unit_memory.h"
#include "unit_storage.h"
#include "wire_plan.h"

namespace shardopt::distributed {

/// Takes gradients from the leaves, and averages them over ranks into the rows'
/// `.grad`, adding to what is there. A parameter that no rank has a gradient for gets
/// none: beside the data each rank sends a mark per parameter, summed with it.
///
/// Two sums, one after the other: over the ranks of our copy of the model, each getting
/// its rows of it, and of these rows over the copies. Either is left out for one rank.
///
/// Thread safety: none.
class UnitGradients {
 public:
  UnitGradients(UnitStorage& storage, const Mesh& mesh, at::ScalarType reduce_dtype,
                UnitMemory& memory);

  /// Moves the leaves' gradients to whole fp32 sums on this rank.
  void keep();
  /// Packs the leaves' gradients, and what was kept, frees both, and starts the first
  /// sum.
  void start_reduction();
  /// Waits for the first sum, if that is under way, and starts the second; where there
  /// is one copy, completes the rows' gradients.
  void start_second_sum();
  /// Waits for what is under way and completes the rows' gradients.
  void finish_reduction();
  /// Forgets the leaves' gradients and what was kept; waits for what is under way.
  void discard();

  [[nodiscard]] std::size_t count() const noexcept { return trainable_.size(); }

 private:
  [[nodiscard]] bool is_alone() const { return mesh_.size() == 1; }
  [[nodiscard]] UnitParameter& parameter(std::size_t i) const;
  [[nodiscard]] at::Tensor take(std::size_t i);
  [[nodiscard]] at::Tensor kept_slot(std::size_t i);
  [[nodiscard]] at::Tensor acquire_piece();
  void pack(const at::Tensor& message);
  void complete();
  void deliver_alone();
  void deliver_piece();
  void deliver(std::size_t i, const at::Tensor& gradient, bool may_keep);
  [[nodiscard]] at::Tensor rows_in(const at::Tensor& piece, std::size_t i) const;
  [[nodiscard]] const at::Tensor& own_piece();
  [[nodiscard]] bool has_row_gradients() const;
  void give_back_buffers();

  UnitStorage& storage_;
  const Mesh& mesh_;
  at::ScalarType reduce_dtype_;
  UnitMemory& memory_;
  std::vector<std::size_t> trainable_;  // indices into storage_'s parameters
  std::unique_ptr<WirePlan> plan_;
  at::Tensor ones_;  // [count()], fp32: the marks of gradients that are there

  std::vector<at::Tensor> kept_;     // [whole], fp32, by trainable; or undefined
  std::vector<int64_t> kept_begin_;  // [count() + 1], in kept_memory_'s entries
  at::Tensor kept_memory_;           // bytes, fp32, for kept ones that had to be cast

  at::Tensor own_piece_;  // [entries of our rows + marks], fp32: what .grad views
  at::Tensor spare_;      // bytes, in place of own_piece_ while that is in use
  at::Tensor message_;    // bytes, during the first sum
  at::Tensor piece_;      // the one of them that is being summed
  std::unique_ptr<Work> first_sum_;
  std::unique_ptr<Work> second_sum_;
};

}  // namespace shardopt::distributed
