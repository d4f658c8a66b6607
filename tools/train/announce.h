/// What a run says before it begins.
#pragma once

#include "shardopt/config/train_config.h"
#include "text_data.h"
#include "train/job.h"
#include "train/reporter.h"
#include "train/trainer.h"

namespace shardopt::train {

/// Ranks, model, data, groups, and what is odd about the configuration. Local.
void announce(Reporter& reporter, const config::TrainConfig& config,
              const Trainer& trainer, const TextData& data, const Job& job);

}  // namespace shardopt::train
