#include "check_checkpoint.h"

#include "fail.h"

namespace shardopt::config {
namespace {

void check_without_path(const TrainConfig& config) {
  const CheckpointOptions& options = config.checkpoint;
  const auto refuse = [](const auto&... what) {
    fail(what..., ", but checkpoint.path is empty; allowed: neither or both");
  };
  if (options.every_steps > 0) {
    refuse("checkpoint.every_steps is ", options.every_steps);
  }
  if (options.every_seconds > 0) {
    refuse("checkpoint.every_seconds is ", options.every_seconds);
  }
  const ResumeKind kind = parse_resume(options.resume).kind;
  if (kind == ResumeKind::kStep || kind == ResumeKind::kPath) {
    refuse("checkpoint.resume is '", options.resume, "'");
  }
  if (options.discard_later) refuse("checkpoint.discard_later is true");
  if (config.train.stop_after > 0) {
    refuse("train.stop_after is ", config.train.stop_after);
  }
}

void check_init(const ModelOptions& model) {
  if (!model.init.empty()) return;
  const std::pair<const char*, const std::string*> patterns[] = {
      {"init_allow_missing", &model.init_allow_missing},
      {"init_ignore", &model.init_ignore},
      {"init_cast", &model.init_cast}};
  for (const auto& [name, list] : patterns) {
    if (list->empty()) continue;
    fail("model.", name, " is '", *list,
         "', but model.init is empty; allowed: neither or both");
  }
}

}  // namespace

void check_checkpoint(const TrainConfig& config) {
  (void)parse_resume(config.checkpoint.resume);
  check_init(config.model);
  if (config.checkpoint.path.empty()) return check_without_path(config);
  if (config.train.stop_after <= config.train.steps) return;
  fail("train.stop_after is ", config.train.stop_after,
       "; allowed: up to train.steps, ", config.train.steps);
}

}  // namespace shardopt::config
