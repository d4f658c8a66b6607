#include "train/trainer.h"

#include <signal.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <torch/types.h>

#include "shardopt/checkpoint/safetensors.h"
#include "shardopt/core/error.h"
#include "shardopt/distributed/divergence.h"
#include "shardopt/optim/build_optimizer.h"
#include "shardopt/optim/gradient_norm.h"
#include "train/agreement.h"
#include "train/dropout_generator.h"
#include "train/sample_text.h"
#include "train/stop_signal.h"

namespace shardopt::train {
namespace {

constexpr double kSampleTemperature = 0.8;
constexpr char kSamplePrompt[] = "And ";

at::ScalarType scalar_type(config::FloatKind kind) {
  return kind == config::FloatKind::kBf16 ? at::kBFloat16 : at::kFloat;
}

distributed::ShardingOptions sharding_options(
    const config::MeshOptions& mesh, std::shared_ptr<distributed::Timeline> timeline) {
  return {.compute_dtype = scalar_type(mesh.compute_dtype),
          .reduce_dtype = scalar_type(mesh.reduce_dtype),
          .keep_last_gathered = mesh.keep_last_gathered,
          .overlap = mesh.overlap,
          .timeline = std::move(timeline)};
}

double sum(distributed::Communicator& communicator, double value) {
  at::Tensor total = at::full({1}, value, at::kDouble);
  communicator.all_reduce(total, distributed::ReduceOp::kSum)->wait();
  return total.item<double>();
}

}  // namespace

Trainer::Trainer(const config::TrainConfig& config, const distributed::Mesh& mesh,
                 const TextData& data, std::shared_ptr<distributed::Timeline> timeline)
    : config_(config),
      mesh_(mesh),
      data_(data),
      timeline_(std::move(timeline)),
      sharded_(mesh, sharding_options(config.mesh, timeline_)),
      dropout_(dropout_generator(config.train.seed, mesh.rank())),
      gpt_(config.model, config.train.seed, dropout_, &sharded_),
      parameters_(sharded_.parameters()),
      optimizer_(optim::build_optimizer(parameters_, config.optimizer, mesh)),
      schedule_(*optimizer_,
                optim::make_schedule(config.schedule, config.train.steps)) {}

int64_t Trainer::tokens_per_step() const noexcept {
  return config_.train.batch * config_.model.context;
}

double Trainer::seconds() const {
  if (!start_) return seconds_before_;
  return seconds_before_ +
         std::chrono::duration<double>(Clock::now() - *start_).count();
}

StepResult Trainer::step(const StepHooks& hooks) {
  if (!start_) start_ = Clock::now();
  optimizer_->zero_grad();
  gpt_.set_training(true);
  const double local_loss = accumulate_gradients();
  StepResult result = agree_on(local_loss, hooks);
  if (hooks.before_update) hooks.before_update();
  ++counters_.step;
  counters_.samples += config_.train.batch;
  counters_.tokens += tokens_per_step();
  result.step = counters_.step;
  result.lr = optimizer_->groups().front().lr;
  if (result.is_skipped) {
    skip(result);
  } else {
    update(result);
  }
  return result;
}

// Rank r's part of micro-batch m are its r-th run of samples: what a batch holds does
// not depend on the number of ranks.
double Trainer::accumulate_gradients() {
  const auto& [batch, accumulation] =
      std::pair(config_.train.batch, config_.train.accumulation);
  const int64_t micro_batch = batch / accumulation;
  const int64_t count = micro_batch / mesh_.size();
  const bool keeps_whole = config_.mesh.accumulate == config::Accumulation::kWhole;
  double loss = 0.0;
  for (int64_t micro = 0; micro < accumulation; ++micro) {
    sharded_.set_gradient_sync(!keeps_whole || micro + 1 == accumulation);
    const int64_t first =
        counters_.samples + micro * micro_batch + mesh_.rank() * count;
    const at::Tensor part =
        gpt_.loss(data_.training().batch(first, count)) / accumulation;
    part.backward();
    loss += part.item<double>();
  }
  return loss;
}

// One collective for everything that ranks have to agree on in a step. Every copy of
// the model has the whole norm; rank 0 alone has a clock.
StepResult Trainer::agree_on(double local_loss, const StepHooks& hooks) {
  const int signal = StopSignal::received();
  const bool has_clock = mesh_.rank() == 0;
  const bool is_due = has_clock && hooks.is_due && hooks.is_due();
  const double share =
      optim::local_squared_norm(parameters_) / mesh_.replicate().size();
  at::Tensor sums = at::tensor(
      {local_loss, share, signal == SIGTERM ? 1.0 : 0.0, signal == SIGINT ? 1.0 : 0.0,
       is_due ? 1.0 : 0.0, has_clock ? seconds() : 0.0},
      at::kDouble);
  mesh_.world().all_reduce(sums, distributed::ReduceOp::kSum)->wait();
  const double* total = sums.const_data_ptr<double>();
  StepResult result{.loss = total[0] / mesh_.size(), .grad_norm = std::sqrt(total[1])};
  result.is_skipped = !std::isfinite(total[0]) || !std::isfinite(total[1]);
  if (total[3] > 0.0) result.stop_signal = SIGINT;
  if (total[2] > 0.0) result.stop_signal = SIGTERM;
  result.is_due = total[4] > 0.0;
  counters_.seconds = total[5];
  return result;
}

void Trainer::skip(const StepResult& result) {
  const int64_t in_a_row = ++counters_.skipped_in_a_row;
  const auto& options = config_.train;
  const bool may_skip = options.non_finite == config::NonFinitePolicy::kSkip;
  if (may_skip && in_a_row <= options.max_skipped) return;
  SHARDOPT_THROW(ConfigError, "loss ", result.loss, " and gradient norm ",
                 result.grad_norm, " in step ", result.step, " are not finite, ",
                 in_a_row, " step(s) in a row; train.non_finite is '",
                 may_skip ? "skip" : "stop", "', train.max_skipped ",
                 options.max_skipped, "; a lower optimizer.lr may help");
}

void Trainer::check_outcome() const {
  if (counters_.skipped_in_a_row == 0) return;
  SHARDOPT_THROW(ConfigError, "the last ", counters_.skipped_in_a_row,
                 " step(s) were skipped, since loss or gradients were not finite; a "
                 "lower optimizer.lr may help");
}

void Trainer::update(const StepResult& result) {
  counters_.skipped_in_a_row = 0;
  if (config_.train.clip_norm > 0.0) {
    const double factor = optim::clip_factor(result.grad_norm, config_.train.clip_norm);
    if (factor < 1.0) optim::scale_gradients(parameters_, factor);
  }
  const distributed::TimelineSpan span(timeline_.get(), "compute", "optimizer");
  optimizer_->step();
  schedule_.advance();
  ++counters_.updates;
}

void Trainer::check_divergence() const {
  const auto names = distributed::diverged_entries(mesh_, state());
  if (names.empty()) return;
  SHARDOPT_THROW(ShardingError, "ranks disagree after step ", counters_.step, " about ",
                 names.size(), " entries of their state, the first being ",
                 names.front());
}

std::optional<double> Trainer::validate() {
  const auto& text = data_.validation();
  if (!text || config_.train.validation_batches == 0) return std::nullopt;
  const at::NoGradGuard no_grad;
  gpt_.set_training(false);
  const int64_t whole = text->whole_samples();
  const int64_t batch = config_.train.batch;
  const int64_t rounds =
      std::clamp<int64_t>(whole / batch, 1, config_.train.validation_batches);
  const int64_t count = batch / mesh_.size();
  double loss = 0.0;
  for (int64_t round = 0; round < rounds; ++round) {
    std::vector<at::Tensor> samples;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t index = round * batch + mesh_.rank() * count + i;
      samples.push_back(text->batch(index * whole / (rounds * batch), 1));
    }
    loss += gpt_.loss(at::cat(samples)).item<double>();
  }
  return sum(mesh_.world(), loss) / static_cast<double>(rounds * mesh_.size());
}

void Trainer::write_weights(const std::string& path) {
  checkpoint::SafetensorsFile file{.metadata = {{"format", "pt"}}};
  for (const Parameter& parameter : parameters_) {
    at::Tensor whole = sharded_.whole(parameter.name);
    if (mesh_.rank() == 0) file.tensors.emplace(parameter.name, std::move(whole));
  }
  run_agreed(mesh_.world(), [&] {  // nobody ends before it is written
    if (mesh_.rank() == 0) checkpoint::write_safetensors(path, file);
  });
}

std::string Trainer::sample(int64_t length) {
  gpt_.set_training(false);
  return sample_text(gpt_, kSamplePrompt, length, config_.model.context,
                     kSampleTemperature, config_.train.seed);
}

}  // namespace shardopt::train
