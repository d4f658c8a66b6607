#include "train/trainer.h"

#include <signal.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <torch/types.h>

#include "shardopt/checkpoint/safetensors.h"
#include "shardopt/core/error.h"
#include "shardopt/distributed/divergence.h"
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
      update_(config, parameters_, mesh) {}

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
  gpt_.set_training(true);
  const double local_loss = accumulate_gradients();
  StepResult result = agree_on(local_loss, hooks);
  if (hooks.before_update) hooks.before_update();
  ++counters_.step;
  counters_.samples += config_.train.batch;
  counters_.tokens += tokens_per_step();
  result.step = counters_.step;
  result.lr = update_.optimizer().groups().front().lr;
  if (result.is_skipped) {
    skip(result);
  } else {
    update(result);
  }
  return result;
}

// Micro-steps are WeightUpdate's where it has a window, else the units add up.
double Trainer::accumulate_gradients() {
  const int64_t window = update_.window();
  const int64_t count = window > 1 ? window : config_.train.accumulation;
  const bool keeps_whole = config_.mesh.accumulate == config::Accumulation::kWhole;
  double loss = 0.0;
  for (int64_t micro = 0; micro < count; ++micro) {
    const bool is_last = micro + 1 == count;
    if (window > 1 || micro == 0) update_.zero_grad();
    sharded_.set_gradient_sync(window > 1 || !keeps_whole || is_last);
    loss += micro_step(micro, count) / static_cast<double>(count);
    if (window == 1 && !is_last) continue;
    const bool is_due = update_.collect();
    TORCH_INTERNAL_ASSERT(is_due == is_last, "an update is due in micro-step ", micro);
  }
  return loss;
}

// Rank r's part of micro-batch m are its r-th run of samples: what a batch holds does
// not depend on the number of ranks. Returns its loss.
double Trainer::micro_step(int64_t micro, int64_t count) {
  const int64_t micro_batch = config_.train.batch / count;
  const int64_t samples = micro_batch / mesh_.size();
  const int64_t first =
      counters_.samples + micro * micro_batch + mesh_.rank() * samples;
  const at::Tensor loss = gpt_.loss(data_.training().batch(first, samples));
  // What the units add up is the mean; WeightUpdate takes it by itself.
  const double share = update_.window() > 1 ? 1.0 : 1.0 / static_cast<double>(count);
  loss.mul(share * update_.loss_scale()).backward();
  return loss.item<double>();
}

// One collective for everything that ranks have to agree on in a step. Every copy of
// the model has the whole norm; rank 0 alone has a clock.
StepResult Trainer::agree_on(double local_loss, const StepHooks& hooks) {
  const int signal = StopSignal::received();
  const bool has_clock = mesh_.rank() == 0;
  const bool is_due = has_clock && hooks.is_due && hooks.is_due();
  const auto [transformed, overwriting] = update_.local_squared_norms();
  const auto copies = static_cast<double>(mesh_.replicate().size());
  at::Tensor sums = at::tensor(
      {local_loss, transformed / copies, overwriting, signal == SIGTERM ? 1.0 : 0.0,
       signal == SIGINT ? 1.0 : 0.0, is_due ? 1.0 : 0.0, has_clock ? seconds() : 0.0},
      at::kDouble);
  mesh_.world().all_reduce(sums, distributed::ReduceOp::kSum)->wait();
  const double* total = sums.const_data_ptr<double>();
  StepResult result{.loss = total[0] / mesh_.size(), .grad_norm = std::sqrt(total[1])};
  result.is_skipped = !std::isfinite(total[0] + total[1] + total[2]);
  if (total[4] > 0.0) result.stop_signal = SIGINT;
  if (total[3] > 0.0) result.stop_signal = SIGTERM;
  result.is_due = total[5] > 0.0;
  counters_.seconds = total[6];
  return result;
}

void Trainer::skip(const StepResult& result) {
  update_.skip();
  const int64_t in_a_row = ++counters_.skipped_in_a_row;
  const auto& options = config_.train;
  const bool is_scales = std::isfinite(result.loss) && update_.has_falling_scale();
  const bool may_skip =
      is_scales || options.non_finite == config::NonFinitePolicy::kSkip;
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
  const distributed::TimelineSpan span(timeline_.get(), "compute", "optimizer");
  update_.apply(result.grad_norm);
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
  const AtEvaluationPoint weights(update_);
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
  const AtEvaluationPoint weights(update_);
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
  const AtEvaluationPoint weights(update_);
  gpt_.set_training(false);
  return sample_text(gpt_, kSamplePrompt, length, config_.model.context,
                     kSampleTemperature, config_.train.seed);
}

}  // namespace shardopt::train
