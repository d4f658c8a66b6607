/// QK-clip: attention weights shrink where logits grow too large (Kimi Team 2025,
/// "Kimi K2", arXiv:2507.20534, section 2.1).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/core/parameter.h"

namespace shardopt::distributed {
class Mesh;
}

namespace shardopt::optim {

/// Where the heads of one attention layer lie: head h of the queries are the rows
/// query_begin + h head_rows and following of `query`, whose rows are outputs; keys
/// alike. Both may be the same parameter (fused QKV).
struct AttentionHeads {
  Parameter query;
  Parameter key;
  int64_t heads;  ///< Of the queries.
  int64_t
      key_heads;  ///< Divides `heads`; each is shared by heads / key_heads in a row.
  int64_t head_rows;
  int64_t query_begin = 0;
  int64_t key_begin = 0;
};

/// A hook for a training loop, after the optimizer's step, in which the model has found
/// the largest attention logit of each head.
class QkClip {
 public:
  /// Throws c10::Error if heads do not fit into the rows, key_heads does not divide
  /// heads, or `tau`, the largest logit allowed, is not > 0.
  explicit QkClip(std::vector<AttentionHeads> layers, double tau = 100.0);

  /// Multiplies rows of query and key of head h by sqrt(gamma), gamma = min(1, tau /
  /// S_h); a shared key head takes the smallest gamma of those that share it.
  /// `largest_logits` has a tensor [heads] per layer, of what this rank saw in the
  /// step. Throws c10::Error if these do not fit, and on every rank, before any weight
  /// has changed, if one is not finite. Collective: one all_reduce (max) over all
  /// ranks, whatever the number of layers; exact over any cut.
  void apply(std::span<const at::Tensor> largest_logits, const distributed::Mesh& mesh);

 private:
  std::vector<AttentionHeads> layers_;
  double tau_;
};

}  // namespace shardopt::optim
