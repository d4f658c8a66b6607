/// What sharded units are made from, and how they work.
#pragma once

#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "shardopt/core/parameter.h"
#include "shardopt/distributed/layout.h"

namespace shardopt::distributed {

class Timeline;

/// A parameter of the model: a leaf tensor that modules hold copies of.
struct ModelParameter {
  std::string name;
  at::Tensor leaf;  ///< Whole, contiguous; frozen if it does not require grad.
  ParameterRole role = ParameterRole::kHidden;
};

struct ShardingOptions {
  Layout layout = rows_layout();
  /// Leaves are of this dtype while gathered, and so is what a gather sends: fp32, bf16
  /// or fp16.
  at::ScalarType compute_dtype = at::kFloat;
  /// What the ranks of one copy of the model send each other of gradients: fp32 or
  /// bf16. The sum over ranks is fp32 either way, and so is what copies send each
  /// other.
  at::ScalarType reduce_dtype = at::kFloat;
  /// The unit that ends the forward stays gathered: its backward begins at once.
  bool keep_last_gathered = true;
  /// Off: every collective is waited for where it starts. The same bits, and less
  /// memory.
  bool overlap = true;
  c10::Device device = c10::kCPU;  ///< Of the leaves.
  /// Where units draw "forward NAME" and "backward NAME" on track "compute"; may be
  /// null. A backward lasts until the next unit's begins. Shared with whoever reads it.
  std::shared_ptr<Timeline> timeline{};
};

}  // namespace shardopt::distributed
