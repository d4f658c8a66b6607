/// An exponential moving average of the weights, for validation and export.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/core/parameter.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/optim/average_options.h"

namespace shardopt::optim {

/// avg <- k avg + (1 - k) W after each update, with k = 0 in the first, so that the
/// average starts as the weights; then W <- avg in every `overwrite_every`-th. As
/// Keras's use_ema, but once per update, not per micro-step.
///
/// Elementwise: no communication, whatever the cut. Ownership: rows are shared with the
/// model's units. Thread safety: none.
class WeightAverage {
 public:
  /// Throws ConfigError as AverageOptions::validate does, and for mode none; c10::Error
  /// if a parameter is there twice.
  WeightAverage(std::vector<Parameter> parameters, const AverageOptions& options);

  /// After an update. Throws c10::Error while the average is in use.
  void update();

  /// Puts the average into the parameters; before the first update, where there is
  /// none, they stay. Throws c10::Error if it is in use.
  void use_average();
  /// Puts back, bit for bit, what use_average took away. Throws c10::Error unless the
  /// average is in use.
  void use_training_weights();
  [[nodiscard]] bool is_in_use() const noexcept { return is_in_use_; }

  [[nodiscard]] int64_t updates() const noexcept { return updates_; }

  /// Value `updates`; a child per parameter, by name, with slot "average", cut as its
  /// rows are, zeros before the first update. Tensors alias the average's.
  [[nodiscard]] StateTree state() const;
  /// Throws CheckpointError with every difference if `tree`, whose tensors may be of
  /// device meta and whole, is not a state of this average.
  void check_state(const StateTree& tree) const;
  /// Takes over what `state` returned. Throws as check_state does, and c10::Error while
  /// the average is in use, and then changes nothing.
  void load_state(const StateTree& tree);

 private:
  [[nodiscard]] std::vector<at::Tensor> rows() const;

  std::vector<Parameter> parameters_;
  AverageOptions options_;
  std::vector<at::Tensor> average_;   // by parameter, each [*rows]
  std::vector<at::Tensor> training_;  // the same, while the average is in use
  bool is_in_use_ = false;
  int64_t updates_ = 0;
};

}  // namespace shardopt::optim
