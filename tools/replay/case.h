/// What shardopt-replay is given: an optimizer's configuration, weights and gradients.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/config/train_config.h"
#include "shardopt/core/parameter.h"

namespace shardopt::replay {

/// More threads than this are refused.
inline constexpr int64_t kMaxRanks = 64;

struct CaseParameter {
  std::string name;
  at::Tensor values;  ///< [rows, *], whole; a 0-d one is [1].
  ParameterRole role = ParameterRole::kHidden;
  std::vector<int64_t> offsets;  ///< [ranks + 1], of its rows' cut.
};

struct Case {
  config::TrainConfig config{};
  std::vector<CaseParameter> parameters{};
  /// [call][parameter], each of the parameter's shape; undefined: no gradient.
  std::vector<std::vector<at::Tensor>> gradients{};
  int ranks = 1;     ///< That parameters are cut over.
  int replicas = 1;  ///< Copies of them, with the same gradients.
};

/// Reads the JSON object `text`:
///   "dtype": "float64" | "float32"
///   "parameters": [{"name", "shape", "values" (flat, row-major), "role"?:
///                   "embedding" | "head"}]
///   "gradients": [call][parameter][value]; null: none; "inf", "-inf", "nan"
///   "ranks"?, "replicas"?, "cuts"?: {name: [0, ..., rows]}; default: layout rows
/// All else is configuration: optimizer, schedule, transform, loss_scale, average and
/// of train steps (the schedule's end), accumulation and clip_norm. What it does not
/// name is not done: no schedule, no clipping.
///
/// Throws ConfigError, one line that begins with the field, if anything is wrong with
/// it, or has no meaning here.
[[nodiscard]] Case read_case(const std::string& text);

}  // namespace shardopt::replay
