/// From where a run goes on.
#pragma once

#include <cstdint>

#include "shardopt/config/train_config.h"
#include "train/job.h"
#include "train/reporter.h"
#include "train/saving.h"
#include "train/trainer.h"

namespace shardopt::train {

/// Puts `trainer` where checkpoint.resume says, reports what was found there and what
/// is otherwise than it was, and begins a branch of the root from there. A job that its
/// launcher has started again goes on from its own newest step, whatever it began from,
/// unless checkpoint.discard_later: then nobody can say which steps are its own.
///
/// Returns the step, 0 for a fresh start. Throws CheckpointError, the same on every
/// rank, if there is nothing to go on from, it is damaged, or of another job; or if
/// later steps would be lost. Collective.
int64_t resume(const config::TrainConfig& config, const Job& job, Trainer& trainer,
               Saving& saving, Reporter& reporter);

}  // namespace shardopt::train
