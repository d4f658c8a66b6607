/// Learning-rate schedules: what each step's lr is multiplied by.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "shardopt/core/state_tree.h"
#include "shardopt/optim/schedule_options.h"

namespace shardopt::optim {

class Optimizer;

/// Factor of the lr in update `step`, counted from 0. Pure.
using Schedule = std::function<double(int64_t step)>;

/// Sorted.
[[nodiscard]] std::vector<std::string> schedule_names();

/// With warm-up (all but "none") factor s / warmup_steps up to it, so update 0 moves
/// state only; then the shape of `options.name`, which ends at `total_steps` unless
/// decay_steps says otherwise, and stays where it ended.
///
/// Throws ConfigError for an unknown name, an option out of range, or more warm-up
/// than `total_steps` (a run of no steps, which has no updates, may name any).
[[nodiscard]] Schedule make_schedule(const ScheduleOptions& options,
                                     int64_t total_steps);

/// Keeps an optimizer's lr factor, nested optimizers' too, at that of the coming
/// update. The optimizer outlives it. Thread safety: none.
class ScheduleDriver {
 public:
  /// Sets the factor of update 0.
  ScheduleDriver(Optimizer& optimizer, Schedule schedule);

  /// After an update: on to the next.
  void advance();

  /// The coming update.
  [[nodiscard]] int64_t step() const noexcept { return step_; }
  [[nodiscard]] double factor() const { return schedule_(step_); }

  [[nodiscard]] StateTree state() const;
  /// Throws CheckpointError, and changes nothing, if `tree` is no schedule's.
  void load_state(const StateTree& tree);

 private:
  void move_to(int64_t step);

  Optimizer& optimizer_;
  Schedule schedule_;
  int64_t step_ = 0;
};

}  // namespace shardopt::optim
