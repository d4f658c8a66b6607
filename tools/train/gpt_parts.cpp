#include "train/gpt_parts.h"

#include <utility>

#include <torch/types.h>

#include "train/gpt.h"

namespace shardopt::train {
namespace {

at::Tensor norm(const at::Tensor& x, const at::Tensor& weight,
                const GptContext& context) {
  return at::rms_norm(x, {x.size(-1)}, weight, context.options.norm_eps);
}

// Inverted dropout with a mask from the rank's own generator.
at::Tensor dropout(const at::Tensor& x, const GptContext& context) {
  const double p = context.options.dropout;
  if (p == 0.0 || !context.is_training) return x;
  const at::Tensor mask = at::empty_like(x).bernoulli_(1.0 - p, context.dropout_masks);
  return x * mask.div_(1.0 - p);
}

// RoFormer (Su et al. 2021, arXiv:2104.09864), pairing entry i with i + half.
at::Tensor rotate(const at::Tensor& x, const GptContext& context) {
  const int64_t length = x.size(-2);
  const at::Tensor cos = context.cos.narrow(0, 0, length).to(x.scalar_type());
  const at::Tensor sin = context.sin.narrow(0, 0, length).to(x.scalar_type());
  const std::vector<at::Tensor> half = x.chunk(2, -1);
  return at::cat({half[0] * cos - half[1] * sin, half[1] * cos + half[0] * sin}, -1);
}

}  // namespace

std::shared_ptr<GptContext> make_context(const config::ModelOptions& options,
                                         at::Generator dropout_masks) {
  const int64_t half = options.dim / options.heads / 2;
  const at::Tensor exponents =
      at::arange(half, at::kDouble) / static_cast<double>(half);
  const at::Tensor frequencies = at::pow(options.rope_theta, exponents).reciprocal();
  const at::Tensor angles =
      at::outer(at::arange(options.context, at::kDouble), frequencies);
  return std::make_shared<GptContext>(GptContext{options, std::move(dropout_masks),
                                                 angles.cos().to(at::kFloat),
                                                 angles.sin().to(at::kFloat)});
}

Weight::Weight(at::IntArrayRef sizes) {
  weight = register_parameter("weight", at::empty(sizes, at::kFloat));
}

EmbeddingPart::EmbeddingPart(std::shared_ptr<GptContext> shared)
    : context(std::move(shared)) {
  tok_embedding = register_module(
      "tok_embedding",
      std::make_shared<Weight>(at::IntArrayRef{kVocabulary, context->options.dim}));
}

at::Tensor EmbeddingPart::forward(const at::Tensor& tokens) {
  return dropout(at::embedding(tok_embedding->weight, tokens), *context);
}

BlockPart::BlockPart(std::shared_ptr<GptContext> shared) : context(std::move(shared)) {
  const int64_t dim = context->options.dim;
  const int64_t hidden = hidden_width(context->options);
  const auto add = [&](const char* name, at::IntArrayRef sizes) {
    return register_module(name, std::make_shared<Weight>(sizes));
  };
  attn_norm = add("attn_norm", {dim});
  qkv = add("qkv", {3 * dim, dim});
  proj = add("proj", {dim, dim});
  mlp_norm = add("mlp_norm", {dim});
  w1 = add("w1", {hidden, dim});
  w3 = add("w3", {hidden, dim});
  w2 = add("w2", {dim, hidden});
}

at::Tensor BlockPart::forward(const at::Tensor& x) {
  const at::Tensor middle = x + attention(norm(x, attn_norm->weight, *context));
  return middle + feed_forward(norm(middle, mlp_norm->weight, *context));
}

at::Tensor BlockPart::attention(const at::Tensor& x) const {
  const int64_t batch = x.size(0);
  const int64_t length = x.size(1);
  const int64_t heads = context->options.heads;
  const at::Tensor parts =
      at::linear(x, qkv->weight)
          .view({batch, length, 3, heads, -1})
          .permute({2, 0, 3, 1, 4});  // [3, batch, heads, length, d]
  const at::Tensor query_key = rotate(parts.narrow(0, 0, 2), *context);
  const at::Tensor mixed =
      at::scaled_dot_product_attention(query_key[0], query_key[1], parts[2],
                                       /*attn_mask=*/{}, /*dropout_p=*/0.0,
                                       /*is_causal=*/true);
  const at::Tensor joined = mixed.transpose(1, 2).reshape(x.sizes());
  return dropout(at::linear(joined, proj->weight), *context);
}

at::Tensor BlockPart::feed_forward(const at::Tensor& x) const {
  const at::Tensor gated =
      at::silu(at::linear(x, w1->weight)) * at::linear(x, w3->weight);
  return dropout(at::linear(gated, w2->weight), *context);
}

HeadPart::HeadPart(std::shared_ptr<GptContext> shared,
                   const std::shared_ptr<Weight>& tied)
    : context(std::move(shared)) {
  const int64_t dim = context->options.dim;
  final_norm =
      register_module("final_norm", std::make_shared<Weight>(at::IntArrayRef{dim}));
  head = tied
             ? register_module("tok_embedding", tied)
             : register_module(
                   "head", std::make_shared<Weight>(at::IntArrayRef{kVocabulary, dim}));
}

at::Tensor HeadPart::forward(const at::Tensor& x) {
  return at::linear(norm(x, final_norm->weight, *context), head->weight).to(at::kFloat);
}

}  // namespace shardopt::train
