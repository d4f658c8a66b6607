#include "shardopt/optim/qk_clip.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/all.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <c10/util/Exception.h>

#include "shardopt/distributed/communicator.h"
#include "shardopt/distributed/mesh.h"

namespace shardopt::optim {
namespace {

void check_rows(const Parameter& parameter, int64_t begin, int64_t heads,
                int64_t head_rows) {
  const int64_t rows = parameter.shard.global_rows();
  TORCH_CHECK(begin >= 0 && begin + heads * head_rows <= rows, heads, " heads of ",
              head_rows, " rows from row ", begin, " do not fit into '", parameter.name,
              "', which has ", rows);
}

// Multiplies those of the whole tensor's rows [begin, begin + count) that lie here.
void scale_rows(const Parameter& parameter, int64_t begin, int64_t count,
                double factor) {
  const int64_t here = parameter.shard.local_begin();
  const int64_t first = std::max(begin, here);
  const int64_t last = std::min(begin + count, here + parameter.shard.local_rows());
  if (first < last) parameter.rows.narrow(0, first - here, last - first).mul_(factor);
}

void clip_layer(const AttentionHeads& layer, const double* largest, double tau) {
  const int64_t shared = layer.heads / layer.key_heads;
  const int64_t rows = layer.head_rows;
  std::vector<double> of_keys(static_cast<std::size_t>(layer.key_heads), 1.0);
  for (int64_t head = 0; head < layer.heads; ++head) {
    const double gamma = tau / std::max(largest[head], tau);
    double& of_key = of_keys[static_cast<std::size_t>(head / shared)];
    of_key = std::min(of_key, gamma);
    if (gamma == 1.0) continue;
    scale_rows(layer.query, layer.query_begin + head * rows, rows, std::sqrt(gamma));
  }
  for (int64_t head = 0; head < layer.key_heads; ++head) {
    const double gamma = of_keys[static_cast<std::size_t>(head)];
    if (gamma == 1.0) continue;
    scale_rows(layer.key, layer.key_begin + head * rows, rows, std::sqrt(gamma));
  }
}

}  // namespace

QkClip::QkClip(std::vector<AttentionHeads> layers, double tau)
    : layers_(std::move(layers)), tau_(tau) {
  TORCH_CHECK(tau > 0.0 && std::isfinite(tau), "tau must be > 0, got ", tau);
  for (const AttentionHeads& layer : layers_) {
    TORCH_CHECK(layer.heads > 0 && layer.key_heads > 0 && layer.head_rows > 0 &&
                    layer.heads % layer.key_heads == 0,
                "'", layer.query.name, "' has ", layer.heads, " heads of ",
                layer.head_rows, " rows and ", layer.key_heads,
                " key heads; allowed: >= 1, key heads a divisor of heads");
    check_rows(layer.query, layer.query_begin, layer.heads, layer.head_rows);
    check_rows(layer.key, layer.key_begin, layer.key_heads, layer.head_rows);
  }
}

void QkClip::apply(std::span<const at::Tensor> largest_logits,
                   const distributed::Mesh& mesh) {
  const at::NoGradGuard no_grad;
  TORCH_CHECK(largest_logits.size() == layers_.size(), "there are ", layers_.size(),
              " layers, and largest logits of ", largest_logits.size());
  if (layers_.empty()) return;
  std::vector<at::Tensor> all;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const at::Tensor& logits = largest_logits[i];
    TORCH_CHECK(logits.dim() == 1 && logits.size(0) == layers_[i].heads,
                "largest logits of '", layers_[i].query.name, "' are ", logits.sizes(),
                "; allowed: [", layers_[i].heads, "]");
    all.push_back(logits.to(at::kDouble));
  }
  at::Tensor largest = at::cat(all);
  mesh.world().all_reduce(largest, distributed::ReduceOp::kMax)->wait();
  largest = largest.cpu();
  TORCH_CHECK(largest.isfinite().all().item<bool>(),
              "a largest logit is not finite: weights are left as they are");
  const double* next = largest.const_data_ptr<double>();
  for (const AttentionHeads& layer : layers_) {
    clip_layer(layer, next, tau_);
    next += layer.heads;
  }
}

}  // namespace shardopt::optim
