#include "shardopt/optim/schedule_options.h"

#include "shardopt/optim/schedule.h"

namespace shardopt::optim {

void ScheduleOptions::validate() const {
  ScheduleOptions copy = *this;
  check_options("schedule", options_of(copy));
}

std::vector<Option> options_of(ScheduleOptions& options) {
  return {
      make_choice("name", options.name, schedule_names(),
                  "Shape of the learning rate's way down after warm-up; none has no "
                  "warm-up either."),
      make_option("warmup_steps", options.warmup_steps, kNonNegative,
                  "Steps over which the lr rises linearly from 0."),
      make_option("decay_steps", options.decay_steps, kNonNegative,
                  "Steps from full lr to the end of the shape; 0: what remains of the "
                  "run."),
      make_option("stable_steps", options.stable_steps, kNonNegative,
                  "Steps at full lr between warm-up and decay, wsd only."),
      make_option("min_lr_ratio", options.min_lr_ratio, kUnit,
                  "Last lr / full lr; for rex a floor."),
      make_choice("wsd_decay", options.wsd_decay,
                  {{"cosine", DecayShape::kCosine},
                   {"linear", DecayShape::kLinear},
                   {"sqrt", DecayShape::kSqrt}},
                  "Shape of wsd's decay."),
      make_option("rex_alpha", options.rex_alpha, kPositive,
                  "Exponent of rex, (1 - progress)^alpha; above 1 falls early, below 1 "
                  "late."),
  };
}

}  // namespace shardopt::optim
