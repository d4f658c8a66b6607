/// Whether what is said of checkpoints fits together.
#pragma once

#include "shardopt/config/train_config.h"

namespace shardopt::config {

/// Of checkpoint.*, train.stop_after and model.init*; throws as check_config does.
void check_checkpoint(const TrainConfig& config);

}  // namespace shardopt::config
