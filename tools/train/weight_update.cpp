#include "train/weight_update.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "shardopt/config/train_transforms.h"
#include "shardopt/core/error.h"
#include "shardopt/optim/build_optimizer.h"
#include "shardopt/optim/gradient_norm.h"

namespace shardopt::train {
namespace {

constexpr char kOptimizer[] = "optimizer";
constexpr char kSchedule[] = "schedule";
constexpr char kTransforms[] = "transforms";
constexpr char kLossScale[] = "loss_scale";
constexpr char kAverage[] = "average";

// Gradients of overwritten parameters are not summed up: units cannot accumulate them.
std::vector<optim::TransformRule> rules_of(config::TrainConfig config,
                                           WeightUpdate::Accumulation accumulation) {
  // First as the user wrote them, since messages name entries by their index.
  const bool has_scale = config.loss_scale.mode != optim::LossScaleMode::kNone;
  optim::check_transforms(config.transforms, has_scale);
  const bool by_units = accumulation == WeightUpdate::Accumulation::kByUnits &&
                        config.optimizer.overwrite_with_gradient.empty();
  if (by_units) config.train.accumulation = 1;
  return config::train_transforms(config);
}

std::set<std::string> names_of(const std::vector<Parameter>& parameters) {
  std::set<std::string> names;
  for (const Parameter& parameter : parameters) names.insert(parameter.name);
  return names;
}

// Throws CheckpointError unless both have the part, or neither.
void check_part(const StateTree& tree, const char* part, bool is_here,
                const char* field) {
  const bool is_there = tree.children.contains(part);
  if (is_there == is_here) return;
  SHARDOPT_THROW(CheckpointError, "the checkpoint has ", is_there ? "a" : "no",
                 " part '", part, "', and the configuration ", is_here ? "a" : "no",
                 " ", field, ": training cannot go on from it");
}

}  // namespace

WeightUpdate::WeightUpdate(const config::TrainConfig& config,
                           const std::vector<Parameter>& parameters,
                           const distributed::Mesh& mesh, Accumulation accumulation)
    : loss_scale_(config.loss_scale),
      optimizer_(optim::build_optimizer(parameters, config.optimizer, mesh)),
      schedule_(*optimizer_, optim::make_schedule(config.schedule, config.train.steps)),
      overwritten_(optim::overwritten_parameters(parameters, config.optimizer)),
      pipeline_({.parameters = parameters,
                 .overwritten = names_of(overwritten_),
                 .loss_scale = &loss_scale_},
                rules_of(config, accumulation), mesh) {
  if (config.average.mode != optim::AverageMode::kNone) {
    average_.emplace(parameters, config.average);
  }
}

bool WeightUpdate::has_falling_scale() const noexcept { return loss_scale_.can_fall(); }

WeightUpdate::SquaredNorms WeightUpdate::local_squared_norms() const {
  return {optim::local_squared_norm(pipeline_.transformed()),
          optim::local_squared_norm(overwritten_)};
}

void WeightUpdate::apply(std::optional<double> norm) {
  pipeline_.transform(norm);
  optimizer_->step();
  schedule_.advance();
  loss_scale_.good_update();
  if (average_) average_->update();
}

void WeightUpdate::skip() {
  pipeline_.drop();
  loss_scale_.skipped();
}

bool WeightUpdate::has_evaluation_point() const {
  const auto is_schedule_free = [](const optim::GroupSummary& group) {
    return group.algorithm.starts_with("schedule_free");
  };
  return average_ || std::ranges::any_of(optimizer_->groups(), is_schedule_free);
}

void WeightUpdate::use_evaluation_point() {
  if (average_) {
    average_->use_average();
  } else {
    optimizer_->use_evaluation_point();
  }
}

void WeightUpdate::use_training_point() {
  if (average_) {
    average_->use_training_weights();
  } else {
    optimizer_->use_training_point();
  }
}

void WeightUpdate::add_state(StateTree& tree) const {
  tree.children.emplace(kOptimizer, optimizer_->state());
  tree.children.emplace(kSchedule, schedule_.state());
  StateTree transforms = pipeline_.state();
  if (!transforms.children.empty()) {
    tree.children.emplace(kTransforms, std::move(transforms));
  }
  if (loss_scale_.is_active()) tree.children.emplace(kLossScale, loss_scale_.state());
  if (average_) tree.children.emplace(kAverage, average_->state());
}

void WeightUpdate::check_state(const StateTree& tree) const {
  optimizer_->check_state(tree.child(kOptimizer));
  const bool has_transforms = !pipeline_.state().children.empty();
  check_part(tree, kTransforms, has_transforms, "transform with state");
  check_part(tree, kLossScale, loss_scale_.is_active(), "loss_scale");
  check_part(tree, kAverage, average_.has_value(), "average");
  if (has_transforms) pipeline_.check_state(tree.child(kTransforms));
  if (loss_scale_.is_active()) loss_scale_.check_state(tree.child(kLossScale));
  if (average_) average_->check_state(tree.child(kAverage));
}

void WeightUpdate::load_state(const StateTree& tree) {
  optimizer_->load_state(tree.child(kOptimizer));
  schedule_.load_state(tree.child(kSchedule));
  if (tree.children.contains(kTransforms)) {
    pipeline_.load_state(tree.child(kTransforms));
  }
  if (loss_scale_.is_active()) loss_scale_.load_state(tree.child(kLossScale));
  if (average_) average_->load_state(tree.child(kAverage));
}

}  // namespace shardopt::train
