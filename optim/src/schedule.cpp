#include "shardopt/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numbers>
#include <utility>

#include <c10/util/Exception.h>

#include "shardopt/core/error.h"
#include "shardopt/optim/optimizer.h"

namespace shardopt::optim {
namespace {

constexpr char kStep[] = "step";

// Shapes: factor at progress p in [0, 1] of the decay, which ends at r.

double cosine(double p, double r) {
  return r + 0.5 * (1.0 - r) * (1.0 + std::cos(std::numbers::pi * p));
}

double linear(double p, double r) { return 1.0 - (1.0 - r) * p; }

double square_root(double p, double r) { return r + (1.0 - r) * std::sqrt(1.0 - p); }

double rex(double p, double r, double alpha) {
  return std::max(r, std::pow(1.0 - p, alpha));
}

double wsd_decay(DecayShape shape, double p, double r) {
  switch (shape) {
    case DecayShape::kCosine:
      return cosine(p, r);
    case DecayShape::kLinear:
      return linear(p, r);
    case DecayShape::kSqrt:
      return square_root(p, r);
  }
  TORCH_INTERNAL_ASSERT(false, "unnamed DecayShape");
}

// Length of the decay: given, or what remains after `before` steps.
int64_t decay_length(const ScheduleOptions& options, int64_t total_steps,
                     int64_t before) {
  return options.decay_steps > 0 ? options.decay_steps : total_steps - before;
}

using Shape = std::function<double(double progress)>;

// Warm-up, `stable` steps at 1, then `shape` over `length` steps; no length, no decay.
Schedule in_phases(int64_t warmup, int64_t stable, int64_t length, Shape shape) {
  return [=, shape = std::move(shape)](int64_t step) {
    if (step < warmup) return static_cast<double>(step) / static_cast<double>(warmup);
    const int64_t decayed = step - warmup - stable;
    if (decayed < 0 || length <= 0) return 1.0;
    const double progress = static_cast<double>(decayed) / static_cast<double>(length);
    return shape(std::min(1.0, progress));
  };
}

Schedule make_none(const ScheduleOptions&, int64_t) {
  return [](int64_t) { return 1.0; };
}

Schedule make_constant(const ScheduleOptions& options, int64_t) {
  return in_phases(options.warmup_steps, 0, 0, {});
}

Schedule make_cosine(const ScheduleOptions& options, int64_t total_steps) {
  const int64_t warmup = options.warmup_steps;
  return in_phases(warmup, 0, decay_length(options, total_steps, warmup),
                   [r = options.min_lr_ratio](double p) { return cosine(p, r); });
}

Schedule make_linear(const ScheduleOptions& options, int64_t total_steps) {
  const int64_t warmup = options.warmup_steps;
  return in_phases(warmup, 0, decay_length(options, total_steps, warmup),
                   [r = options.min_lr_ratio](double p) { return linear(p, r); });
}

Schedule make_wsd(const ScheduleOptions& options, int64_t total_steps) {
  const int64_t before = options.warmup_steps + options.stable_steps;
  return in_phases(options.warmup_steps, options.stable_steps,
                   decay_length(options, total_steps, before),
                   [shape = options.wsd_decay, r = options.min_lr_ratio](double p) {
                     return wsd_decay(shape, p, r);
                   });
}

Schedule make_rex(const ScheduleOptions& options, int64_t total_steps) {
  const int64_t warmup = options.warmup_steps;
  const int64_t length = decay_length(options, total_steps, warmup);
  return in_phases(warmup, 0, std::max<int64_t>(1, length),
                   [alpha = options.rex_alpha, r = options.min_lr_ratio](double p) {
                     return rex(p, r, alpha);
                   });
}

using Maker = Schedule (*)(const ScheduleOptions&, int64_t total_steps);

const std::map<std::string, Maker>& makers() {
  static const std::map<std::string, Maker> table = {
      {"constant", make_constant}, {"cosine", make_cosine}, {"linear", make_linear},
      {"none", make_none},         {"rex", make_rex},       {"wsd", make_wsd}};
  return table;
}

}  // namespace

std::vector<std::string> schedule_names() {
  std::vector<std::string> names;
  for (const auto& [name, maker] : makers()) names.push_back(name);
  return names;
}

Schedule make_schedule(const ScheduleOptions& options, int64_t total_steps) {
  options.validate();
  const bool has_warmup = options.name != "none" && total_steps > 0;
  if (has_warmup && options.warmup_steps > total_steps) {
    SHARDOPT_THROW(ConfigError, "schedule: warmup_steps is ", options.warmup_steps,
                   "; allowed: <= ", total_steps, ", the steps of the run");
  }
  return makers().at(options.name)(options, total_steps);
}

ScheduleDriver::ScheduleDriver(Optimizer& optimizer, Schedule schedule)
    : optimizer_(optimizer), schedule_(std::move(schedule)) {
  move_to(0);
}

void ScheduleDriver::advance() { move_to(step_ + 1); }

void ScheduleDriver::move_to(int64_t step) {
  optimizer_.set_lr_factor(schedule_(step));
  step_ = step;
}

StateTree ScheduleDriver::state() const {
  return {.kind = "schedule", .values = {{kStep, step_}}};
}

void ScheduleDriver::load_state(const StateTree& tree) {
  if (tree.kind != "schedule" || tree.version != 1) {
    SHARDOPT_THROW(CheckpointError,
                   "expected the state of a schedule, version 1, got '", tree.kind,
                   "', version ", tree.version);
  }
  move_to(tree.value<int64_t>(kStep));
}

}  // namespace shardopt::optim
