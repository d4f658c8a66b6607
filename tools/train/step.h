/// One step of training, as its caller sees it.
#pragma once

#include <cstdint>
#include <functional>

namespace shardopt::train {

/// How far training is, over all runs that went on from each other; the same on every
/// rank.
struct Counters {
  int64_t step = 0;     ///< Done, skipped ones too.
  int64_t samples = 0;  ///< Seen, so the number of the next one.
  int64_t tokens = 0;
  int64_t updates = 0;
  int64_t skipped_in_a_row = 0;
  double seconds = 0.0;  ///< By rank 0's clock.
};

/// What a step's caller adds to it.
struct StepHooks {
  /// Called once the step's gradients are there, before weights or the optimizer's
  /// tensors change.
  std::function<void()> before_update{};
  /// Asked on rank 0; every rank gets the answer in StepResult::is_due.
  std::function<bool()> is_due{};
};

/// What happened in one step, the same on every rank.
struct StepResult {
  int64_t step = 0;         ///< Counted from 1.
  double loss = 0.0;        ///< Mean over the whole batch, nats per byte.
  double grad_norm = 0.0;   ///< Global, before clipping.
  double lr = 0.0;          ///< Of the first group.
  bool is_skipped = false;  ///< Loss or gradients were not finite.
  int stop_signal = 0;      ///< One that a rank has got; training ends.
  bool is_due = false;      ///< As the hook said.
};

}  // namespace shardopt::train
