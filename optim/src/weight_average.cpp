#include "shardopt/optim/weight_average.h"

#include <set>
#include <string>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>

#include "shardopt/core/error.h"
#include "state_difference.h"

namespace shardopt::optim {
namespace {

constexpr char kUpdates[] = "updates";
constexpr char kAverage[] = "average";

void copy_all(const std::vector<at::Tensor>& to, const std::vector<at::Tensor>& from) {
  if (!to.empty()) at::_foreach_copy_(to, from);
}

}  // namespace

WeightAverage::WeightAverage(std::vector<Parameter> parameters,
                             const AverageOptions& options)
    : parameters_(std::move(parameters)), options_(options) {
  options.validate();
  if (options.mode == AverageMode::kNone) {
    SHARDOPT_THROW(ConfigError,
                   "average: mode is 'none', which is no average; allowed: "
                   "ema");
  }
  std::set<std::string> names;
  for (const Parameter& parameter : parameters_) {
    TORCH_CHECK(names.insert(parameter.name).second, "parameter '", parameter.name,
                "' is averaged twice");
    average_.push_back(at::zeros_like(parameter.rows.detach()));
  }
}

std::vector<at::Tensor> WeightAverage::rows() const {
  std::vector<at::Tensor> result;
  for (const Parameter& parameter : parameters_) result.push_back(parameter.rows);
  return result;
}

void WeightAverage::update() {
  TORCH_CHECK(!is_in_use_, "weights were updated while their average is in use");
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> weights = rows();
  if (updates_ == 0) {
    copy_all(average_, weights);
  } else if (!weights.empty()) {
    at::_foreach_lerp_(average_, weights, 1.0 - options_.momentum);  // 1 - k
  }
  ++updates_;
  const int64_t every = options_.overwrite_every;
  if (every > 0 && updates_ % every == 0) copy_all(weights, average_);
}

void WeightAverage::use_average() {
  TORCH_CHECK(!is_in_use_, "the average is in use already");
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : parameters_) {
    training_.push_back(parameter.rows.detach().clone());
  }
  if (updates_ > 0) copy_all(rows(), average_);
  is_in_use_ = true;
}

void WeightAverage::use_training_weights() {
  TORCH_CHECK(is_in_use_, "the training weights are in use already");
  const at::NoGradGuard no_grad;
  copy_all(rows(), training_);
  training_.clear();
  is_in_use_ = false;
}

StateTree WeightAverage::state() const {
  StateTree tree{.kind = kAverage, .values = {{kUpdates, updates_}}};
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    StateTree part{.kind = "parameter"};
    part.tensors.emplace(kAverage,
                         StateTensor{average_[i], Spread::kCut, parameters_[i].shard});
    tree.children.emplace(parameters_[i].name, std::move(part));
  }
  return tree;
}

void WeightAverage::check_state(const StateTree& tree) const {
  check_same(state(), tree, "this average of weights");
}

void WeightAverage::load_state(const StateTree& tree) {
  TORCH_CHECK(!is_in_use_, "a state was loaded while the average is in use");
  check_state(tree);
  const at::NoGradGuard no_grad;
  updates_ = tree.value<int64_t>(kUpdates);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const StateTree& part = tree.child(parameters_[i].name);
    average_[i].copy_(part.tensors.at(kAverage).tensor);
  }
}

}  // namespace shardopt::optim
