/// Runs a case: the optimizer's path from gradients to weights, without a model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "replay/case.h"

namespace shardopt::replay {

/// Whole tensors, one per parameter.
using Weights = std::vector<at::Tensor>;

struct GroupRecord {
  std::string name;
  std::string algorithm;
  std::vector<std::string> parameters;
  double weight_decay;
};

/// What became of a case; lists have an entry for each call.
struct Replay {
  std::vector<Weights> parameters{};  ///< At the training point.
  /// Those to validate and export, where the case has such: the average's, else the
  /// evaluation point of Schedule-Free.
  std::optional<std::vector<Weights>> evaluation{};
  /// In force in the call's update, by group; nullopt: it made none.
  std::vector<std::optional<std::vector<double>>> lr{};
  std::vector<int64_t> updates{};    ///< So far.
  std::vector<double> loss_scale{};  ///< After the call; 1 without one.
  std::vector<GroupRecord> groups{};
};

/// Each call is a micro-step: its gradients are collected, and where an update is due
/// and the mean gradient of every parameter is finite, they are transformed, the
/// optimizer steps, and schedule, average and loss scale move on. An update that is due
/// with other gradients is dropped, and the loss scale told.
///
/// `ranks` x `replicas` ranks are threads of this process. Throws ConfigError as
/// build_optimizer, GradientPipeline and make_schedule do, and ShardingError if copies
/// of a parameter come to differ.
[[nodiscard]] Replay run_case(const Case& given);

/// One JSON object with a key for each member of Replay, those of a call in a list, and
/// `evaluation` only where there is one: numbers of 17 digits,
/// "inf", "-inf" and "nan" in quotes.
[[nodiscard]] std::string to_json(const Replay& replay);

}  // namespace shardopt::replay
