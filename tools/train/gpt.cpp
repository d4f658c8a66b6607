#include "train/gpt.h"

#include <algorithm>
#include <cmath>

#include <torch/types.h>

#include "shardopt/core/random.h"
#include "shardopt/distributed/sharded_module.h"
#include "train/gpt_parts.h"

namespace shardopt::train {
namespace {

bool ends_with(const std::string& name, const std::string& end) {
  return name.size() >= end.size() && name.ends_with(end);
}

bool is_norm(const std::string& name) { return ends_with(name, "norm.weight"); }

bool ends_branch(const std::string& name) {
  return ends_with(name, "proj.weight") || ends_with(name, "w2.weight");
}

ParameterRole role_of(const std::string& name) {
  if (name == "tok_embedding.weight") return ParameterRole::kEmbedding;
  if (name == "head.weight") return ParameterRole::kHead;
  return ParameterRole::kHidden;
}

}  // namespace

Gpt::Gpt(const config::ModelOptions& options, uint64_t seed,
         at::Generator dropout_masks, distributed::ShardedModel* sharded)
    : options_(options),
      seed_(seed),
      sharded_(sharded),
      context_(make_context(options, std::move(dropout_masks))) {
  const auto embedding = std::make_shared<EmbeddingPart>(context_);
  const auto tied = options.tied ? embedding->tok_embedding : nullptr;
  stages_.push_back(add_part("embedding", "", embedding));
  for (int64_t i = 0; i < options.layers; ++i) {
    const std::string name = "blocks." + std::to_string(i);
    stages_.push_back(add_part(name, name, std::make_shared<BlockPart>(context_)));
  }
  stages_.push_back(add_part("head", "", std::make_shared<HeadPart>(context_, tied)));
}

template <typename Part>
Gpt::Stage Gpt::add_part(const std::string& name, const std::string& prefix,
                         std::shared_ptr<Part> part) {
  auto parameters = distributed::parameters_of(*part, prefix, role_of);
  for (auto& [full_name, leaf, role] : parameters) {
    const auto is_leaf = [&](const NamedLeaf& known) {
      return known.second.is_same(leaf);
    };
    if (std::ranges::any_of(leaves_, is_leaf)) continue;  // tied
    initialise(full_name, leaf);
    leaves_.emplace_back(full_name, leaf);
  }
  if (sharded_ == nullptr) {
    return [part](const at::Tensor& x) { return part->forward(x); };
  }
  const auto module = std::make_shared<distributed::ShardedModule<Part>>(
      *sharded_, name, prefix, std::move(part), role_of);
  return [module](const at::Tensor& x) { return module->forward(x); };
}

void Gpt::initialise(const std::string& name, at::Tensor& leaf) const {
  const at::NoGradGuard no_grad;
  if (is_norm(name)) {
    leaf.fill_(1.0);
    return;
  }
  const double depth = ends_branch(name) ? std::sqrt(2.0 * options_.layers) : 1.0;
  leaf.normal_(0.0, options_.init_std / depth, make_named_generator(seed_, name));
}

at::Tensor Gpt::logits(const at::Tensor& tokens) {
  at::Tensor x = tokens;
  for (const Stage& stage : stages_) x = stage(x);
  return x;
}

at::Tensor Gpt::loss(const at::Tensor& samples) {
  const int64_t length = samples.size(1) - 1;
  const at::Tensor inputs = samples.narrow(1, 0, length).contiguous();
  const at::Tensor targets = samples.narrow(1, 1, length).reshape({-1});
  return at::cross_entropy_loss(logits(inputs).view({-1, kVocabulary}), targets);
}

void Gpt::set_training(bool on) { context_->is_training = on; }

int64_t hidden_width(const config::ModelOptions& options) {
  if (options.hidden != 0) return options.hidden;
  const int64_t width = (8 * options.dim + 2) / 3;
  return (width + 31) / 32 * 32;
}

int64_t parameter_count(const config::ModelOptions& options) {
  const int64_t dim = options.dim;
  const int64_t block = 4 * dim * dim + 3 * dim * hidden_width(options) + 2 * dim;
  const int64_t tables = (options.tied ? 1 : 2) * kVocabulary * dim;
  return options.layers * block + tables + dim;
}

}  // namespace shardopt::train
