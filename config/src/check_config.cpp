#include "shardopt/config/check_config.h"

#include <algorithm>

#include "check_checkpoint.h"
#include "fail.h"
#include "option_tree.h"

namespace shardopt::config {
namespace {

void check_ranges(TrainConfig config) {
  for_each_option(make_option_tree(config),
                  [](const std::string& path, const Option& option) {
                    const std::string problem = option.problem(option.get());
                    if (!problem.empty()) fail(path, " ", problem);
                  });
}

void check_model(const ModelOptions& model) {
  if (model.dim % model.heads != 0) {
    fail("model.heads is ", model.heads, ", which does not divide model.dim, ",
         model.dim);
  }
  if (model.dim / model.heads % 2 != 0) {
    fail("model.dim / model.heads is ", model.dim, " / ", model.heads, " = ",
         model.dim / model.heads, "; allowed: an even number, for rotary embedding");
  }
}

void check_data(const TrainConfig& config) {
  if (config.data.path.empty()) {
    fail("data.path is empty; allowed: a file or a folder of text");
  }
  const bool validates = config.train.validate_every > 0;
  if (validates && config.data.validation_fraction == 0.0) {
    fail("train.validate_every is ", config.train.validate_every,
         ", but data.validation_fraction is 0; allowed: neither or both 0");
  }
}

void check_mesh(const MeshOptions& mesh, int ranks) {
  if (mesh.shard == 0 && mesh.replicate == 0) {
    fail("mesh.shard and mesh.replicate are both 0; allowed: one of them");
  }
  const int64_t given =
      std::max<int64_t>(mesh.shard, 1) * std::max<int64_t>(mesh.replicate, 1);
  const bool fits =
      mesh.shard == 0 || mesh.replicate == 0 ? ranks % given == 0 : given == ranks;
  if (fits) return;
  fail("mesh.shard is ", mesh.shard, " and mesh.replicate is ", mesh.replicate,
       "; allowed: a product of ", ranks, ", the number of ranks, where 0 is the rest");
}

void check_profile(const TrainConfig& config) {
  const ProfileOptions& profile = config.profile;
  if (profile.path.empty() || profile.first_step <= config.train.steps) return;
  fail("profile.first_step is ", profile.first_step, "; allowed: up to train.steps, ",
       config.train.steps);
}

// Micro-steps of one update, and who says so.
void check_batch(const TrainConfig& config, int ranks) {
  const TrainOptions& train = config.train;
  int64_t count = train.accumulation;
  std::string name = "train.accumulation";
  for (const optim::TransformRule& rule : config.transforms) {
    if (rule.name != "accumulate" || !rule.steps) continue;
    count = *rule.steps;
    name = "steps of transform accumulate";
  }
  const bool divides =
      count > 0 && train.batch % count == 0 && train.batch / count % ranks == 0;
  if (divides) return;
  fail("train.batch is ", train.batch, "; allowed: a multiple of ranks ", ranks, " x ",
       name, " ", count);
}

// A run of no steps, which only writes the initial weights, needs no warm-up.
void check_schedule(const TrainConfig& config) {
  const bool has_warmup = config.schedule.name != "none" && config.train.steps > 0;
  if (has_warmup && config.schedule.warmup_steps > config.train.steps) {
    fail("schedule.warmup_steps is ", config.schedule.warmup_steps,
         "; allowed: up to train.steps, ", config.train.steps);
  }
}

}  // namespace

void check_config(const TrainConfig& config, int ranks) {
  TORCH_CHECK(ranks >= 1, "a job has ", ranks, " ranks; allowed: >= 1");
  check_ranges(config);
  check_model(config.model);
  check_data(config);
  check_mesh(config.mesh, ranks);
  check_batch(config, ranks);
  check_schedule(config);
  check_update(config);
  check_profile(config);
  check_checkpoint(config);
}

}  // namespace shardopt::config
