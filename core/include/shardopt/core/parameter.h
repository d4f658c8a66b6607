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

}  // namespace shardopt
