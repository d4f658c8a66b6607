#include "shardopt/optim/gradient_pipeline.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_div.h>
#include <c10/util/Exception.h>

#include "clip_global_norm.h"
#include "gradient_accumulator.h"
#include "gradient_check.h"
#include "shardopt/core/error.h"
#include "shardopt/core/names.h"
#include "state_difference.h"

namespace shardopt::optim {
namespace {

constexpr char kUnscale[] = "unscale";
constexpr char kAccumulate[] = "accumulate";

// Throws c10::Error for a name that two parameters have, or that is in `overwritten`
// and no parameter has.
std::vector<Parameter> without(const std::vector<Parameter>& parameters,
                               const std::set<std::string>& overwritten) {
  std::vector<Parameter> others;
  std::set<std::string> names;
  std::set<std::string> missing = overwritten;
  for (const Parameter& parameter : parameters) {
    TORCH_CHECK(names.insert(parameter.name).second, "parameter '", parameter.name,
                "' is there twice");
    missing.erase(parameter.name);
    if (!overwritten.contains(parameter.name)) others.push_back(parameter);
  }
  TORCH_CHECK(missing.empty(), "'", missing.empty() ? "" : *missing.begin(),
              "' is to be overwritten with its gradient, but is no parameter");
  return others;
}

void check_name(const std::string& name, const std::string& place,
                const TransformRegistry& registry) {
  if (registry.contains(name)) return;
  std::vector<std::string> known = registry.names();
  known.insert(known.end(), {kAccumulate, kUnscale});
  std::ranges::sort(known);
  SHARDOPT_THROW(ConfigError, place, ".name is '", name,
                 "'; allowed: ", c10::Join(" | ", known), did_you_mean(name, known));
}

}  // namespace

GradientPipeline::GradientPipeline(PipelineParts parts,
                                   std::span<const TransformRule> rules,
                                   const distributed::Mesh& mesh,
                                   const TransformRegistry& registry)
    : parts_(std::move(parts)),
      transformed_(without(parts_.parameters, parts_.overwritten)) {
  if (parts_.loss_scale != nullptr && !parts_.loss_scale->is_active()) {
    parts_.loss_scale = nullptr;
  }
  for (std::size_t i = 0; i < rules.size(); ++i) add_rule(rules[i], i, mesh, registry);
}

GradientPipeline::~GradientPipeline() = default;

void GradientPipeline::add_rule(const TransformRule& rule, std::size_t index,
                                const distributed::Mesh& mesh,
                                const TransformRegistry& registry) {
  const std::string place = "transform[" + std::to_string(index) + "]";
  if (rule.name == kUnscale) {
    check_unscale(rule, index, place);
  } else if (rule.name == kAccumulate) {
    add_accumulation(rule, place);
  } else {
    check_name(rule.name, place, registry);
    after_.push_back(registry.create(rule.name, {rule, place, transformed_}, mesh));
  }
}

// That it is done does not depend on the rule.
void GradientPipeline::check_unscale(const TransformRule& rule, std::size_t index,
                                     const std::string& place) const {
  read_rule(rule, place, {});
  if (index > 0) {
    SHARDOPT_THROW(ConfigError, place,
                   ".name is 'unscale'; allowed: as the first rule only, "
                   "since all others take gradients without a scale");
  }
  if (parts_.loss_scale == nullptr) {
    SHARDOPT_THROW(ConfigError, place,
                   ".name is 'unscale', but there is no loss scale; "
                   "allowed: with loss_scale.mode static or dynamic");
  }
}

// What was added so far comes before it.
void GradientPipeline::add_accumulation(const TransformRule& rule,
                                        const std::string& place) {
  const auto options = options_from<AccumulateOptions>(rule, place);
  if (accumulator_ != nullptr) {
    SHARDOPT_THROW(ConfigError, place,
                   ".name is 'accumulate' for the second time; allowed: once");
  }
  for (const auto& transform : after_) {
    if (!transform->has_state()) continue;
    SHARDOPT_THROW(ConfigError, place, ".name is 'accumulate' after '",
                   transform->kind(),
                   "', whose state would move with windows that are dropped; "
                   "allowed: before it");
  }
  before_ = std::exchange(after_, {});
  accumulator_ = std::make_unique<GradientAccumulator>(
      parts_.parameters, parts_.overwritten, options.steps.value());
}

bool GradientPipeline::collect() {
  for (const Parameter& parameter : parts_.parameters) check_gradient(parameter);
  unscale();
  for (const auto& transform : before_) transform->apply();
  return accumulator_ == nullptr || accumulator_->add();
}

void GradientPipeline::unscale() {
  if (parts_.loss_scale == nullptr) return;
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> grads;
  for (const Parameter& parameter : transformed_) {
    const at::Tensor& grad = parameter.rows.grad();
    if (grad.defined()) grads.push_back(grad);
  }
  if (!grads.empty()) at::_foreach_div_(grads, parts_.loss_scale->scale());
}

void GradientPipeline::transform(std::optional<double> known_norm) {
  for (const auto& transform : after_) {
    auto* clip = dynamic_cast<ClipGlobalNorm*>(transform.get());
    if (clip != nullptr && known_norm) {
      clip->apply_with_norm(*known_norm);
    } else {
      transform->apply();
    }
    known_norm.reset();  // It was that of the gradients as they came.
  }
}

void GradientPipeline::drop() {
  if (accumulator_ != nullptr) accumulator_->drop();
}

int64_t GradientPipeline::window() const noexcept {
  return accumulator_ == nullptr ? 1 : accumulator_->steps();
}

// Only what has state: clipping may come and go between runs.
std::map<std::string, GradientTransform*> GradientPipeline::stateful() const {
  std::map<std::string, GradientTransform*> result;
  for (const auto& transform : after_) {
    if (!transform->has_state()) continue;
    const std::string position = std::to_string(result.size());
    result.emplace(position + "." + transform->kind(), transform.get());
  }
  return result;
}

StateTree GradientPipeline::state() const {
  StateTree tree{.kind = "transforms"};
  if (accumulator_) tree.children.emplace(kAccumulate, accumulator_->state());
  for (const auto& [name, transform] : stateful()) {
    tree.children.emplace(name, transform->state());
  }
  return tree;
}

void GradientPipeline::check_state(const StateTree& tree) const {
  check_same(state(), tree, "these transforms");
  if (accumulator_) accumulator_->check_state(tree.child(kAccumulate));
}

void GradientPipeline::load_state(const StateTree& tree) {
  check_state(tree);
  if (accumulator_) accumulator_->load_state(tree.child(kAccumulate));
  for (const auto& [name, transform] : stateful()) {
    transform->load_state(tree.child(name));
  }
}

void check_transforms(std::span<const TransformRule> rules, bool has_loss_scale) {
  const distributed::Mesh mesh = distributed::make_single_mesh();
  const LossScale scale({.mode = LossScaleMode::kDynamic});
  const GradientPipeline unused({.loss_scale = has_loss_scale ? &scale : nullptr},
                                rules, mesh);
}

}  // namespace shardopt::optim
