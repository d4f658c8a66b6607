#include "shardopt/optim/update_rules.h"

namespace shardopt::optim {

std::vector<Option> options_of(UpdateRules& options) {
  return {
      make_option("caution", options.caution,
                  "Keep only those entries of an update that agree in sign with the "
                  "gradient, scaled up by the share that is kept (arXiv:2411.16085)."),
      make_choice("caution_normaliser", options.caution_normaliser,
                  {{"clamp", CautionNormaliser::kClamp},
                   {"plus_one", CautionNormaliser::kPlusOne},
                   {"plus_eps", CautionNormaliser::kPlusEps}},
                  "Divisor of a cautious update, m being the share of the whole tensor "
                  "that is kept: max(m, 0.001), m + 1 / entries, or m + eps."),
      make_option("cautious_decay", options.cautious_decay,
                  "Decay only those weights that the update moves towards zero "
                  "(arXiv:2510.12402)."),
      make_choice("decay_order", options.decay_order,
                  {{"before", DecayOrder::kBefore}, {"after", DecayOrder::kAfter}},
                  "Weights shrink before or after the step that they take."),
  };
}

}  // namespace shardopt::optim
