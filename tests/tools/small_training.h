/// A text and a configuration with which a step takes milliseconds.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "shardopt/config/train_config.h"

namespace shardopt::train {

inline constexpr int kSteps = 20;

inline std::string write_text(const std::filesystem::path& folder) {
  const std::string path = folder / "text";
  std::ofstream out(path);
  for (int i = 0; i < 3000; ++i) out << (i * i % 97) << (i % 7 == 0 ? "\n" : " ");
  return path;
}

inline config::TrainConfig small_config(const std::string& optimizer) {
  config::TrainConfig config;
  config.model = {.layers = 2, .dim = 32, .heads = 2, .context = 16};
  config.optimizer.name = optimizer;
  config.optimizer.lr = 0.003;
  config.schedule.name = "constant";
  config.train.batch = 12;
  config.train.steps = kSteps;
  return config;
}

}  // namespace shardopt::train
