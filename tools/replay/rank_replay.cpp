#include "replay/rank_replay.h"

#include <algorithm>
#include <string>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/all.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>

namespace shardopt::replay {
namespace {

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
      update_(given.config, parameters_, mesh,
              train::WeightUpdate::Accumulation::kByWindow) {}

Replay RankReplay::run() {
  const at::NoGradGuard no_grad;
  Replay replay{.groups = records(update_.optimizer())};
  if (update_.has_evaluation_point()) replay.evaluation.emplace();
  for (std::size_t call = 0; call < case_.gradients.size(); ++call) {
    replay.lr.push_back(play(call));
    replay.parameters.push_back(weights());
    if (replay.evaluation) replay.evaluation->push_back(evaluation_weights());
    replay.updates.push_back(updates_);
    replay.loss_scale.push_back(update_.loss_scale());
  }
  return replay;
}

std::optional<std::vector<double>> RankReplay::play(std::size_t call) {
  set_gradients(call);
  if (!update_.collect()) return std::nullopt;
  if (!has_finite_gradients()) {
    update_.skip();
    return std::nullopt;
  }
  std::vector<double> in_force = lrs(update_.optimizer());
  update_.apply();
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
  const train::AtEvaluationPoint point(update_);
  return weights();
}

}  // namespace shardopt::replay
