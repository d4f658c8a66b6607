/// The parts that a GPT is cut into: embedding, block, head.
#pragma once

#include <memory>

#include <torch/nn/module.h>

#include "shardopt/config/train_config.h"

namespace shardopt::train {

/// What all parts share: tables and where dropout draws from. Not parameters.
struct GptContext {
  config::ModelOptions options;
  at::Generator dropout_masks;
  at::Tensor cos;  ///< [context, head dim / 2]
  at::Tensor sin;  ///< [context, head dim / 2]
  bool is_training = true;
};

[[nodiscard]] std::shared_ptr<GptContext> make_context(
    const config::ModelOptions& options, at::Generator dropout_masks);

/// A named weight, so that a part's parameters read "qkv.weight".
struct Weight final : torch::nn::Module {
  explicit Weight(at::IntArrayRef sizes);
  at::Tensor weight;
};

struct EmbeddingPart final : torch::nn::Module {
  explicit EmbeddingPart(std::shared_ptr<GptContext> context);
  /// [batch, length] int64 -> [batch, length, dim]
  at::Tensor forward(const at::Tensor& tokens);

  std::shared_ptr<GptContext> context;
  std::shared_ptr<Weight> tok_embedding;  // [256, dim]
};

struct BlockPart final : torch::nn::Module {
  explicit BlockPart(std::shared_ptr<GptContext> context);
  /// [batch, length, dim] -> the same
  at::Tensor forward(const at::Tensor& x);

  at::Tensor attention(const at::Tensor& x) const;
  at::Tensor feed_forward(const at::Tensor& x) const;

  std::shared_ptr<GptContext> context;
  std::shared_ptr<Weight> attn_norm;  // [dim]
  std::shared_ptr<Weight> qkv;        // [3 dim, dim]: rows of q, of k, of v, by head
  std::shared_ptr<Weight> proj;       // [dim, dim]
  std::shared_ptr<Weight> mlp_norm;   // [dim]
  std::shared_ptr<Weight> w1;         // [hidden, dim]: gate
  std::shared_ptr<Weight> w3;         // [hidden, dim]: value
  std::shared_ptr<Weight> w2;         // [dim, hidden]
};

struct HeadPart final : torch::nn::Module {
  /// `tied`: the embedding's weight, or null for one of its own.
  HeadPart(std::shared_ptr<GptContext> context, const std::shared_ptr<Weight>& tied);
  /// [batch, length, dim] -> [batch, length, 256], fp32
  at::Tensor forward(const at::Tensor& x);

  std::shared_ptr<GptContext> context;
  std::shared_ptr<Weight> final_norm;  // [dim]
  std::shared_ptr<Weight> head;        // [256, dim]
};

}  // namespace shardopt::train
