/// A trainable tensor, as optimizers and checkpoints see it.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include "shardopt/core/shard.h"

namespace shardopt {

/// What a parameter does in its model, where that decides how it is trained.
enum class ParameterRole : uint8_t { kHidden, kEmbedding, kHead };

/// This rank's part of one parameter of a model.
struct Parameter {
  /// Fully qualified, the same on every rank and in every run: it, never an
  /// address, keys the parameter's state.
  std::string name;
  /// [shard.local_rows(), *], contiguous, possibly no rows; `.grad` has that shape.
  /// A 0-d parameter is [1] or [0] here. Shared with whoever gathers the whole.
  at::Tensor rows;
  Shard shard;
  ParameterRole role = ParameterRole::kHidden;
};

/// Dimensions of the whole tensor; a 0-d one counts as 1-d.
[[nodiscard]] inline int64_t dimensions(const Parameter& parameter) {
  return parameter.rows.dim();
}

/// Entries of the whole tensor, over all its shard ranks.
[[nodiscard]] inline int64_t whole_entries(const Parameter& parameter) {
  int64_t product = parameter.shard.global_rows();
  for (const int64_t size : parameter.rows.sizes().slice(1)) product *= size;
  return product;
}

}  // namespace shardopt
