#include "train/run.h"

#include <chrono>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>

#include "metrics.h"
#include "shardopt/core/error.h"
#include "text_data.h"
#include "train/agreement.h"
#include "train/announce.h"
#include "train/init_weights.h"
#include "train/output_folder.h"
#include "train/profile.h"
#include "train/reporter.h"
#include "train/resume.h"
#include "train/saving.h"
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

struct Ending {
  int signal = 0;        // That ended training early, or 0.
  bool is_stop = false;  // train.stop_after did.
};

// But for its validation, and the time at its end.
StepMetrics metrics_of(const StepResult& result, const Trainer& trainer,
                       double step_seconds) {
  const auto tokens = static_cast<double>(trainer.tokens_per_step());
  return {.step = result.step,
          .tokens = trainer.counters().tokens,
          .loss = result.loss,
          .lr = result.lr,
          .grad_norm = result.grad_norm,
          .tokens_per_second = tokens / step_seconds};
}

// Of every how many steps; 0: never.
bool is_multiple(int64_t step, int64_t every) { return every > 0 && step % every == 0; }

// What the trainer throws of its own, it throws on every rank: what is being saved is
// worth its end first.
template <typename Call>
auto settled(Saving* saving, Call call) {
  try {
    return call();
  } catch (const ConfigError&) {
    if (saving != nullptr) saving->settle();
    throw;
  } catch (const ShardingError&) {
    if (saving != nullptr) saving->settle();
    throw;
  }
}

class Loop {
 public:
  Loop(const config::TrainConfig& config, Trainer& trainer, Profile& profile,
       Reporter& reporter, Saving* saving)
      : config_(config.train),
        trainer_(trainer),
        profile_(profile),
        reporter_(reporter),
        saving_(saving) {}

  Ending run() {
    const int64_t stop = config_.stop_after;  // 0: none
    while (trainer_.counters().step < config_.steps) {
      if (stop > 0 && trainer_.counters().step >= stop) return {.is_stop = true};
      const StepResult result = step();
      if (result.stop_signal != 0) return {.signal = result.stop_signal};
      if (is_multiple(result.step, config_.divergence_every)) {
        settled(saving_, [&] { trainer_.check_divergence(); });
      }
      const bool is_last = result.step == config_.steps || result.step == stop;
      if (saving_ != nullptr && !is_last) saving_->after_step(trainer_, result);
    }
    return {};
  }

 private:
  StepResult step() {
    const int64_t number = trainer_.counters().step + 1;
    profile_.before_step(number);
    const auto start = Clock::now();
    const StepHooks hooks = saving_ == nullptr ? StepHooks() : saving_->hooks();
    const StepResult result = settled(saving_, [&] { return trainer_.step(hooks); });
    const bool is_last = number == config_.steps || number == config_.stop_after;
    profile_.after_step(number, result.stop_signal != 0 || is_last);
    StepMetrics metrics = metrics_of(result, trainer_, seconds_since(start));
    const bool validates =
        config_.validate_every > 0 &&
        (number % config_.validate_every == 0 || number == config_.steps);
    if (result.stop_signal == 0 && validates) metrics.val_loss = trainer_.validate();
    metrics.seconds = trainer_.seconds();
    reporter_.step(metrics);
    if (result.is_skipped) {
      reporter_.line(c10::str("step ", number, " skipped: loss ", result.loss,
                              ", gradient norm ", result.grad_norm));
    }
    return result;
  }

  const config::TrainOptions& config_;
  Trainer& trainer_;
  Profile& profile_;
  Reporter& reporter_;
  Saving* saving_;  // Null: nothing is saved.
};

// Where training begins: at a checkpoint's step, or at 0.
int64_t begin(const config::TrainConfig& config, const Job& job, Trainer& trainer,
              Saving* saving, Reporter& reporter) {
  const int64_t resumed =
      saving == nullptr ? 0 : resume(config, job, trainer, *saving, reporter);
  if (config.model.init.empty()) return resumed;
  if (resumed > 0) {
    reporter.line("model.init is not read, since the run was resumed");
    return resumed;
  }
  for (const std::string& line :
       init_weights(config.model, *job.mesh, trainer.model())) {
    reporter.line(line);
  }
  return 0;
}

// Weights and the rest are written even if the last save has failed.
void finish(const config::TrainConfig& config, const Ending& ending, Trainer& trainer,
            Saving* saving, Reporter& reporter) {
  std::exception_ptr failure;
  try {
    if (saving != nullptr) saving->finish(trainer);
  } catch (const CheckpointError&) {
    failure = std::current_exception();
  }
  const bool has_folder = !config.output.path.empty();
  if (has_folder) {
    trainer.write_weights(fs::path(config.output.path) / kWeightsFile);
  }
  const bool is_whole = ending.signal == 0 && !ending.is_stop && config.train.steps > 0;
  if (is_whole && config.output.sample_bytes > 0) {
    reporter.sample(trainer.sample(config.output.sample_bytes));
  }
  if (ending.signal != 0) {
    reporter.line(c10::str("ended early by signal ", ending.signal));
  }
  if (ending.is_stop) {
    reporter.line(c10::str("ended after step ", trainer.counters().step,
                           ", as train.stop_after says"));
  }
  if (has_folder) reporter.line("files: " + config.output.path);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

int run_training(const config::TrainConfig& config, const Job& job) {
  const distributed::Mesh& mesh = *job.mesh;
  const StopSignal stop_signal(*job.meeting.limit);
  const bool is_speaker = mesh.rank() == 0;
  const auto data = load_text(config, mesh);
  Trainer trainer(config, mesh, *data, job.meeting.timeline);
  Profile profile(config.profile, mesh, *job.meeting.timeline);
  Reporter reporter(config, is_speaker);
  announce(reporter, config, trainer, *data, job);
  std::optional<Saving> saving;
  if (!config.checkpoint.path.empty()) saving.emplace(config, mesh, reporter);
  Saving* const saver = saving ? &*saving : nullptr;
  const int64_t resumed = begin(config, job, trainer, saver, reporter);
  run_agreed(mesh.world(), [&] {
    if (!is_speaker) return;
    const bool is_restarted = job.meeting.launch.restart_count > 0;
    if (!config.output.path.empty()) {
      prepare_output_folder(config.output, is_restarted, resumed > 0);
    }
    if (resumed < config.profile.first_step) profile.prepare();
    reporter.begin(resumed);
  });
  if (saver != nullptr) saver->announce(trainer);
  if (resumed > 0 && resumed >= config.train.steps) {
    reporter.line(c10::str("step ", resumed, " of ", config.train.steps,
                           " is done already: nothing is left to train"));
  }
  const Ending ending = Loop(config, trainer, profile, reporter, saver).run();
  finish(config, ending, trainer, saver, reporter);
  trainer.check_outcome();
  return ending.signal;
}

}  // namespace shardopt::train
