/// Gradients of one unit, from whole leaves to the rows that each rank holds.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "buffer_pool.h"
#include "shardopt/distributed/communicator.h"
#include "unit_storage.h"
#include "wire_plan.h"

namespace shardopt::distributed {

/// Takes gradients from the leaves, and averages them over ranks into the rows'
/// `.grad`, adding to what is there. A parameter that no rank has a gradient for gets
/// none: beside the data each rank sends a mark per parameter, summed with it.
///
/// Thread safety: none.
class UnitGradients {
 public:
  UnitGradients(UnitStorage& storage, Communicator& communicator,
                at::ScalarType reduce_dtype, BufferPool& pool);

  /// Moves the leaves' gradients to whole fp32 sums on this rank.
  void keep();
  /// Packs the leaves' gradients, and what was kept, and sends them; frees both.
  void start_reduction();
  /// Waits for it and completes the rows' gradients; nothing if none is under way.
  void finish_reduction();
  /// Forgets the leaves' gradients and what was kept; waits for what was sent.
  void discard();

  [[nodiscard]] std::size_t count() const noexcept { return trainable_.size(); }

 private:
  [[nodiscard]] UnitParameter& parameter(std::size_t i) const;
  [[nodiscard]] at::Tensor take(std::size_t i);
  void pack(std::size_t i, const at::Tensor& gradient, at::Tensor& message);
  void deliver(std::size_t i, const at::Tensor& rows_gradient);
  [[nodiscard]] bool has_row_gradients() const;

  UnitStorage& storage_;
  Communicator& communicator_;
  at::ScalarType reduce_dtype_;
  BufferPool& pool_;
  std::vector<std::size_t> trainable_;  // indices into storage_'s parameters
  std::vector<at::Tensor> kept_;        // [whole], fp32, by trainable; or undefined
  std::unique_ptr<WirePlan> plan_;
  at::Tensor own_piece_;  // [entries of our rows + marks], fp32: what .grad views
  at::Tensor spare_;      // bytes, in place of own_piece_ while that is in use
  at::Tensor message_;    // bytes
  at::Tensor piece_;      // the one in flight
  std::unique_ptr<Work> work_;
};

}  // namespace shardopt::distributed
