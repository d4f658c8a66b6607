/// The model that the training program trains: a small GPT over bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "shardopt/config/train_config.h"

namespace shardopt::distributed {
class ShardedModel;
}

namespace shardopt::train {

inline constexpr int64_t kVocabulary = 256;  // bytes

struct GptContext;

/// Pre-norm GPT: RMSNorm, RoPE, causal attention, SwiGLU, no biases, embedding and head
/// tied if asked. Dropout acts on the embedding and on both branches of a block, with
/// masks from the generator given; attention weights are not dropped, since LibTorch's
/// attention takes no generator.
///
/// Weights are N(0, init_std), those that end a branch over sqrt(2 layers), drawn by
/// parameter name (core/random.h). Built part by part: with a ShardedModel each is cut
/// before the next is made. Names: tok_embedding.weight,
/// blocks.I.{attn_norm,qkv,proj,mlp_norm,w1,w3,w2}.weight, final_norm.weight, and
/// head.weight unless tied.
///
/// Thread safety: none. `sharded`, if given, outlives the model.
class Gpt {
 public:
  using NamedLeaf = std::pair<std::string, at::Tensor>;

  /// Units of `sharded`, or a plain model on this rank if null. Dropout draws from
  /// `dropout_masks`.
  Gpt(const config::ModelOptions& options, uint64_t seed, at::Generator dropout_masks,
      distributed::ShardedModel* sharded);

  /// `tokens` [batch, length <= context], int64. Logits [batch, length, 256], fp32.
  [[nodiscard]] at::Tensor logits(const at::Tensor& tokens);

  /// Mean cross entropy, nats per byte, of `samples` [batch, length + 1]: each byte
  /// after the first from those before it. A scalar.
  [[nodiscard]] at::Tensor loss(const at::Tensor& samples);

  /// Dropout acts only while training.
  void set_training(bool on);

  /// In order; a tied one once. Those of a sharded model are mostly not gathered.
  [[nodiscard]] const std::vector<NamedLeaf>& leaves() const noexcept {
    return leaves_;
  }

 private:
  using Stage = std::function<at::Tensor(const at::Tensor&)>;
  template <typename Part>
  Stage add_part(const std::string& name, const std::string& prefix,
                 std::shared_ptr<Part> part);
  void initialise(const std::string& name, at::Tensor& leaf) const;

  config::ModelOptions options_;
  uint64_t seed_;
  distributed::ShardedModel* sharded_;
  std::shared_ptr<GptContext> context_;
  std::vector<NamedLeaf> leaves_;
  std::vector<Stage> stages_;
};

/// Parameters of a model of these sizes.
[[nodiscard]] int64_t parameter_count(const config::ModelOptions& options);

/// Width of the SwiGLU layer: as given, or 8/3 of dim rounded up to a multiple of 32.
[[nodiscard]] int64_t hidden_width(const config::ModelOptions& options);

}  // namespace shardopt::train
