#include "replay/rank_replay.h"

#include <algorithm>
#include <set>
#include <string>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/all.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>

#include "shardopt/config/train_transforms.h"
#include "shardopt/optim/build_optimizer.h"

namespace shardopt::replay {
namespace {

constexpr std::string_view kScheduleFree = "schedule_free";

at::Tensor own_rows(const at::Tensor& whole, const Shard& shard) {
  return whole.narrow(0, shard.local_begin(), shard.local_rows()).clone();
}

std::vector<Parameter> make_parameters(const Case& given, int rank) {
  std::vector<Parameter> parameters;
  for (const CaseParameter& parameter : given.parameters) {
    const Shard shard(parameter.offsets, rank);
    parameters.push_back(
        {parameter.name, own_rows(parameter.values, shard), shard, parameter.role});
  }
  return parameters;
}

std::set<std::string> overwritten(const std::vector<Parameter>& parameters,
                                  const optim::OptimizerConfig& config) {
  std::set<std::string> names;
  for (const Parameter& parameter : optim::overwritten_parameters(parameters, config)) {
    names.insert(parameter.name);
  }
  return names;
}

std::unique_ptr<optim::GradientPipeline> make_pipeline(
    const config::TrainConfig& config, optim::PipelineParts parts,
    const distributed::Mesh& mesh) {
  // First as the user wrote them, since messages name entries by their index.
  optim::check_transforms(config.transforms, parts.loss_scale->is_active());
  return std::make_unique<optim::GradientPipeline>(
      std::move(parts), config::train_transforms(config), mesh);
}

std::vector<double> lrs(const optim::Optimizer& optimizer) {
  std::vector<double> lrs;
  for (const optim::GroupSummary& group : optimizer.groups()) lrs.push_back(group.lr);
  return lrs;
}

std::vector<GroupRecord> records(const optim::Optimizer& optimizer) {
  std::vector<GroupRecord> records;
  for (optim::GroupSummary& group : optimizer.groups()) {
    records.push_back({std::move(group.name), std::move(group.algorithm),
                       std::move(group.parameter_names), group.weight_decay});
  }
  return records;
}

}  // namespace

RankReplay::RankReplay(const Case& given, const distributed::Mesh& mesh)
    : case_(given),
      mesh_(mesh),
      parameters_(make_parameters(given, mesh.shard().rank())),
      optimizer_(optim::build_optimizer(parameters_, given.config.optimizer, mesh)),
      schedule_(*optimizer_,
                optim::make_schedule(given.config.schedule, given.config.train.steps)),
      loss_scale_(given.config.loss_scale),
      pipeline_(make_pipeline(
          given.config,
          {.parameters = parameters_,
           .overwritten = overwritten(parameters_, given.config.optimizer),
           .loss_scale = &loss_scale_},
          mesh)) {
  if (given.config.average.mode != optim::AverageMode::kNone) {
    average_.emplace(parameters_, given.config.average);
  }
}

Replay RankReplay::run() {
  const at::NoGradGuard no_grad;
  Replay replay{.groups = records(*optimizer_)};
  if (has_evaluation_weights()) replay.evaluation.emplace();
  for (std::size_t call = 0; call < case_.gradients.size(); ++call) {
    replay.lr.push_back(play(call));
    replay.parameters.push_back(weights());
    if (replay.evaluation) replay.evaluation->push_back(evaluation_weights());
    replay.updates.push_back(updates_);
    replay.loss_scale.push_back(loss_scale_.scale());
  }
  return replay;
}

std::optional<std::vector<double>> RankReplay::play(std::size_t call) {
  set_gradients(call);
  if (!pipeline_->collect()) return std::nullopt;
  if (!has_finite_gradients()) {
    pipeline_->drop();
    loss_scale_.skipped();
    return std::nullopt;
  }
  pipeline_->transform();
  std::vector<double> in_force = lrs(*optimizer_);
  optimizer_->step();
  schedule_.advance();
  if (average_) average_->update();
  loss_scale_.good_update();
  ++updates_;
  return in_force;
}

void RankReplay::set_gradients(std::size_t call) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& whole = case_.gradients[call][i];
    Parameter& parameter = parameters_[i];
    parameter.rows.mutable_grad() =
        whole.defined() ? own_rows(whole, parameter.shard) : at::Tensor();
  }
}

// Of every entry: a sum of squares may overflow where all of them are finite.
bool RankReplay::has_finite_gradients() const {
  const bool is_finite =
      std::ranges::all_of(parameters_, [](const Parameter& parameter) {
        const at::Tensor& gradient = parameter.rows.grad();
        return !gradient.defined() || at::isfinite(gradient).all().item<bool>();
      });
  at::Tensor agreed = at::full({1}, is_finite ? 1.0 : 0.0, at::kDouble);
  mesh_.world().all_reduce(agreed, distributed::ReduceOp::kMin)->wait();
  return agreed.item<double>() > 0.0;
}

Weights RankReplay::weights() const {
  Weights weights;
  for (const Parameter& parameter : parameters_) {
    weights.push_back(parameter.rows.clone());
  }
  return weights;
}

Weights RankReplay::evaluation_weights() {
  if (average_) {
    average_->use_average();
    Weights average = weights();
    average_->use_training_weights();
    return average;
  }
  optimizer_->use_evaluation_point();
  Weights point = weights();
  optimizer_->use_training_point();
  return point;
}

bool RankReplay::has_evaluation_weights() const {
  const auto is_schedule_free = [](const optim::GroupSummary& group) {
    return group.algorithm.starts_with(kScheduleFree);
  };
  return average_ || std::ranges::any_of(optimizer_->groups(), is_schedule_free);
}

}  // namespace shardopt::replay
