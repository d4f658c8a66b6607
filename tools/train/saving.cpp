#include "train/saving.h"

#include <array>
#include <cstdio>

#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/config/print_config.h"
#include "shardopt/distributed/small_messages.h"
#include "train/agreement.h"

namespace shardopt::train {
namespace {

using checkpoint::CheckpointFailure;
using config::PendingPolicy;

checkpoint::SaveOptions save_options(const config::CheckpointOptions& options,
                                     checkpoint::FileSystem* files) {
  return {.keep = options.keep,
          .keep_every = options.keep_every,
          .lock_wait = std::chrono::seconds(options.lock_seconds),
          .host_budget_bytes = options.host_budget_mib << 20,
          .direct_io = options.direct_io,
          .check_space = options.check_space,
          .files = files};
}

// Of all ranks together, but for what each has of its own.
int64_t state_bytes(const StateTree& tree) {
  int64_t bytes = 0;
  for (const auto& [name, state] : tree.tensors) bytes += whole_bytes(state);
  for (const auto& [name, child] : tree.children) bytes += state_bytes(child);
  return bytes;
}

std::string format(const char* pattern, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), pattern, value);
  return text.data();
}

std::string megabytes(int64_t bytes) {
  return format("%.1f MB", static_cast<double>(bytes) / 1e6);
}

std::string describe(const checkpoint::SaveReport& report) {
  return c10::str("saved step ", report.step, ": ", megabytes(report.bytes), " in ",
                  format("%.2f s", report.seconds),
                  format(" (stall %.0f ms", report.stall_seconds * 1e3),
                  report.used_direct_io ? ")" : ", buffered)");
}

}  // namespace

Saving::Saving(const config::TrainConfig& config, const distributed::Mesh& mesh,
               Reporter& reporter, checkpoint::FileSystem* files)
    : options_(config.checkpoint),
      reporter_(reporter),
      config_text_(
          distributed::broadcast_text(mesh.world(), config::print_config(config))),
      checkpointer_(options_.path, mesh, save_options(options_, files)) {}

void Saving::announce(const Trainer& trainer) {
  const std::string each = megabytes(state_bytes(trainer.state()));
  const std::string room = options_.keep == 0
                               ? "keep 0 keeps all, " + each + " each"
                               : c10::str("keep ", options_.keep, " needs room for ",
                                          options_.keep + 1, " of ", each);
  reporter_.line("checkpoints: " + options_.path + ", " + room);
}

StepHooks Saving::hooks() {
  return {.before_update = [this] { checkpointer_.wait_copied(); },
          .is_due =
              [this] {
                const int64_t every = options_.every_seconds;  // 0: never
                return every > 0 &&
                       Clock::now() - last_due_ >= std::chrono::seconds(every);
              }};
}

void Saving::after_step(const Trainer& trainer, const StepResult& result) {
  attempt([&] { note_saved(checkpointer_.poll()); });
  if (!is_due(result)) return;
  last_due_ = Clock::now();
  if (make_way(result.step)) begin(trainer);
}

bool Saving::is_due(const StepResult& result) const {
  const int64_t every = options_.every_steps;  // 0: only at the end
  return result.is_due || (every > 0 && result.step % every == 0);
}

// Whether a save can begin: none is under way, or the policy has seen to it.
bool Saving::make_way(int64_t step) {
  if (!checkpointer_.is_saving()) return true;
  const std::string why = c10::str("step ", step, " is not saved: the save of step ",
                                   saving_step_, " is still under way");
  switch (options_.pending) {
    case PendingPolicy::kWait:
      attempt([&] { note_saved(checkpointer_.finish()); });
      return true;
    case PendingPolicy::kSkip:
      reporter_.line(why);
      return false;
    case PendingPolicy::kFail:
      break;
  }
  note_failure(why);
  return false;
}

void Saving::begin(const Trainer& trainer) {
  saving_step_ = trainer.counters().step;
  attempt([&] {
    if (options_.async) {
      checkpointer_.start(saving_step_, trainer.state(), config_text_);
    } else {
      note_saved(checkpointer_.save(saving_step_, trainer.state(), config_text_));
    }
  });
}

void Saving::settle() {
  try {
    note_saved(checkpointer_.finish());
  } catch (const CheckpointFailure& error) {
    reporter_.warn(error.what_without_backtrace());
  }
}

void Saving::finish(const Trainer& trainer) {
  settle();  // The last save is what counts.
  const int64_t step = trainer.counters().step;
  if (step == 0 || saved_step_ == step) return;
  note_saved(checkpointer_.save(step, trainer.state(), config_text_));
}

void Saving::attempt(const std::function<void()>& action) {
  std::string message;
  try {
    return action();
  } catch (const CheckpointFailure& error) {
    if (options_.on_error == config::SaveErrorPolicy::kAbort) throw;
    message = error.what_without_backtrace();
  }
  note_failure(message);
}

void Saving::note_failure(const std::string& message) {
  ++failures_in_a_row_;
  if (options_.on_error == config::SaveErrorPolicy::kAbort) {
    SHARDOPT_THROW(CheckpointError, message);
  }
  if (failures_in_a_row_ >= options_.max_failures) {
    SHARDOPT_THROW(CheckpointError, failures_in_a_row_,
                   " save(s) in a row have failed (checkpoint.max_failures ",
                   options_.max_failures, "), the last: ", message);
  }
  reporter_.warn(message);
}

void Saving::note_saved(const std::optional<checkpoint::SaveReport>& report) {
  if (!report) return;
  failures_in_a_row_ = 0;
  saved_step_ = report->step;
  reporter_.line(describe(*report));
  for (const std::string& warning : report->warnings) reporter_.warn(warning);
}

}  // namespace shardopt::train
