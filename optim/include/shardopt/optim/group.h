/// What optimizers, and those who watch them, know of a group of parameters.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/core/parameter.h"
#include "shardopt/core/state_tree.h"

namespace shardopt::optim {

/// What a group counts by itself, beside its parameters' states.
struct GroupProgress {
  int64_t updates = 0;                     ///< This one included.
  std::map<std::string, double> values{};  ///< The algorithm's own; saved.
};

/// What one update works on: lists of one length and order, with an entry for each
/// parameter of a group that has a gradient. Entries may have no rows.
struct GroupTensors {
  std::vector<at::Tensor> rows{};                          ///< Changed in place.
  std::vector<at::Tensor> grads{};                         ///< [*rows], contiguous
  std::map<std::string, std::vector<at::Tensor>> slots{};  ///< By name; in place.
  std::vector<int64_t> steps{};  ///< Of each parameter, this one included.
  std::vector<const Parameter*> parameters{};
  std::vector<int64_t> entries{};  ///< Of each whole tensor, over all its shard ranks.
  GroupProgress* progress = nullptr;
};

/// A tensor of state for each parameter, which starts as zeros.
struct Slot {
  std::string name;
  /// Its shape on this rank, rows first; null: that of the parameter's rows.
  std::function<std::vector<int64_t>(const at::Tensor& rows)> shape{};
};

/// Its first tensor for `rows`, zeros of their dtype and device.
[[nodiscard]] at::Tensor zeros_of(const Slot& slot, const at::Tensor& rows);

/// What the base is told of a group: the lr before any schedule, the decay, and all
/// options for the record.
struct GroupSettings {
  double lr = 0.0;
  double weight_decay = 0.0;
  std::map<std::string, StateValue> options{};
  /// First values of GroupProgress::values; empty: the group counts nothing.
  std::map<std::string, double> progress{};
};

/// A group as a log shows it.
struct GroupSummary {
  std::string name;  ///< "decay"; of a nested optimizer "adamw/decay".
  std::string algorithm;
  double lr;  ///< In force: the group's own times the schedule's factor.
  double weight_decay;
  int64_t parameters;
  std::vector<std::string> parameter_names{};
};

}  // namespace shardopt::optim
