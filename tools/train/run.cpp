#include "train/run.h"

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "console.h"
#include "event_file.h"
#include "metrics.h"
#include "progress.h"
#include "shardopt/config/check_config.h"
#include "shardopt/config/print_config.h"
#include "text_data.h"
#include "train/agreement.h"
#include "train/output_folder.h"
#include "train/profile.h"
#include "train/sample_text.h"
#include "train/stop_signal.h"
#include "train/trainer.h"

namespace shardopt::train {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

SampleOrder sample_order(config::SampleOrder order) {
  return order == config::SampleOrder::kShuffled ? SampleOrder::kShuffled
                                                 : SampleOrder::kSequential;
}

TextOptions text_options(const config::TrainConfig& config) {
  return {.path = config.data.path,
          .context = config.model.context,
          .validation_fraction = config.data.validation_fraction,
          .order = sample_order(config.data.order),
          .seed = static_cast<uint64_t>(config.train.seed)};
}

// Every rank reads the text, and fails with the others if one cannot.
std::unique_ptr<TextData> load_text(const config::TrainConfig& config,
                                    const distributed::Mesh& mesh) {
  std::unique_ptr<TextData> data;
  run_agreed(mesh.world(),
             [&] { data = std::make_unique<TextData>(text_options(config)); });
  check_same_text(
      mesh.world(), "the text at data.path",
      c10::str(data->size_bytes(), " bytes with checksum ", data->checksum()));
  return data;
}

// What rank 0 says and writes while the run goes on; on other ranks nothing.
class Reporter {
 public:
  Reporter(const config::TrainConfig& config, bool is_speaker) : config_(config) {
    if (!is_speaker) return;
    console_ = std::make_unique<Console>();
    progress_ = std::make_unique<Progress>(*console_, config.train.steps,
                                           config.output.log_every);
    if (config.output.path.empty()) return;
    folder_ = config.output.path;
    write_text_file(*folder_ / kConfigFile, config::print_config(config));
    metrics_ = std::make_unique<MetricsFile>(*folder_ / kMetricsFile);
    events_ = std::make_unique<EventFile>(*folder_ / kEventsFolder);
  }

  void line(const std::string& text) {
    if (console_) console_->line(text);
  }

  void step(const StepMetrics& metrics) {
    if (progress_) progress_->update(metrics);
    if (metrics_) metrics_->append(metrics);
    if (events_) events_->append(metrics);
  }

  void sample(const std::string& text) {
    line("sample of text:\n" + printable(text));
    if (folder_) write_text_file(*folder_ / kSampleFile, text);
  }

 private:
  const config::TrainConfig& config_;
  std::unique_ptr<Console> console_;
  std::unique_ptr<Progress> progress_;
  std::optional<fs::path> folder_;
  std::unique_ptr<MetricsFile> metrics_;
  std::unique_ptr<EventFile> events_;
};

// "4 ranks (launcher: torchrun), 2 copies over 2 ranks each by gloo, ..."
std::string describe(const Job& job, const config::TrainConfig& config) {
  const distributed::Mesh& mesh = *job.mesh;
  std::string text = c10::str(mesh.size(), mesh.size() == 1 ? " rank" : " ranks",
                              " (launcher: ", job.launch->launcher, "), ");
  if (mesh.replicate().size() > 1) {
    text += c10::str(mesh.replicate().size(), " copies over ", mesh.shard().size(),
                     " rank(s) each, ");
  }
  if (mesh.size() > 1) {
    const auto backend = distributed::resolve(config.mesh.backend, c10::kCPU);
    text += "backend " + distributed::name(backend) + ", ";
  }
  return text + c10::str(at::get_num_threads(), " compute thread(s) each");
}

void announce(Reporter& reporter, const config::TrainConfig& config,
              const Trainer& trainer, const TextData& data, const Job& job) {
  const int ranks = job.mesh->shard().size();
  reporter.line(describe(job, config));
  reporter.line(
      c10::str("model: ", config.model.layers, " layers, dim ", config.model.dim,
               ", context ", config.model.context, ", ",
               format_thousands(static_cast<double>(parameter_count(config.model))),
               " parameters"));
  reporter.line(c10::str(
      "data: ", config.data.path, ", ",
      format_thousands(static_cast<double>(data.size_bytes())), " bytes, ",
      format_thousands(static_cast<double>(trainer.tokens_per_step())), " per step"));
  for (const auto& group : trainer.optimizer().groups()) {
    reporter.line(c10::str("group ", group.name, ": ", group.algorithm, ", ",
                           group.parameters, " parameter(s), weight decay ",
                           group.weight_decay));
  }
  if (config.optimizer.name == "muon" && ranks > 1) {
    reporter.line(
        c10::str("muon: mode local_shard is an approximation: each of ", ranks,
                 " ranks orthogonalizes its own rows, so the result depends on "
                 "their number"));
  }
  for (const auto& block : config::unused_blocks(config)) {
    reporter.line(block + " is given, but optimizer.name is '" + config.optimizer.name +
                  "': unused");
  }
}

// Returns the signal that ended training early, or 0.
int train_all(Trainer& trainer, const config::TrainConfig& config, Profile& profile,
              Reporter& reporter) {
  const auto start = Clock::now();
  for (int64_t step = 1; step <= config.train.steps; ++step) {
    profile.before_step(step);
    const auto step_start = Clock::now();
    const StepResult result = trainer.step(step);
    profile.after_step(step, result.stop_signal != 0 || step == config.train.steps);
    const double step_seconds = seconds_since(step_start);
    const auto tokens = trainer.tokens_per_step();
    StepMetrics metrics{
        .step = step,
        .tokens = step * tokens,
        .loss = result.loss,
        .lr = result.lr,
        .grad_norm = result.grad_norm,
        .tokens_per_second = static_cast<double>(tokens) / step_seconds};
    const int64_t every = config.train.validate_every;  // 0: never
    const bool is_due = every > 0 && (step % every == 0 || step == config.train.steps);
    if (result.stop_signal == 0 && is_due) {
      metrics.val_loss = trainer.validate();
    }
    metrics.seconds = seconds_since(start);
    reporter.step(metrics);
    if (result.is_skipped) {
      reporter.line(c10::str("step ", step, " skipped: loss ", result.loss,
                             ", gradient norm ", result.grad_norm));
    }
    if (result.stop_signal != 0) return result.stop_signal;
    const int64_t compare_every = config.train.divergence_every;  // 0: never
    if (compare_every > 0 && step % compare_every == 0) trainer.check_divergence(step);
  }
  return 0;
}

}  // namespace

int run_training(const config::TrainConfig& config, const Job& job) {
  const distributed::Mesh& mesh = *job.mesh;
  const StopSignal stop_signal(*job.meeting.limit);
  const bool is_speaker = mesh.rank() == 0;
  const auto data = load_text(config, mesh);
  Trainer trainer(config, mesh, *data, job.meeting.timeline);
  const bool has_folder = !config.output.path.empty();
  Profile profile(config.profile, mesh, *job.meeting.timeline);
  std::unique_ptr<Reporter> reporter;
  run_agreed(mesh.world(), [&] {
    const bool is_restarted = job.meeting.launch.restart_count > 0;
    if (is_speaker && has_folder) prepare_output_folder(config.output, is_restarted);
    if (is_speaker) profile.prepare();
    reporter = std::make_unique<Reporter>(config, is_speaker);
  });
  announce(*reporter, config, trainer, *data, job);

  const int signal = train_all(trainer, config, profile, *reporter);
  if (has_folder) {
    trainer.write_weights(fs::path(config.output.path) / kWeightsFile);
  }
  const bool wants_sample =
      signal == 0 && config.train.steps > 0 && config.output.sample_bytes > 0;
  if (wants_sample) reporter->sample(trainer.sample(config.output.sample_bytes));
  if (signal != 0) reporter->line(c10::str("ended early by signal ", signal));
  if (has_folder) reporter->line("files: " + config.output.path);
  trainer.check_outcome();
  return signal;
}

}  // namespace shardopt::train
