#include "shardopt/optim/algorithm_table.h"

namespace shardopt::optim {

const std::vector<AlgorithmInfo>& algorithm_table() {
  static const std::vector<AlgorithmInfo> table = {
      {"adam", "Kingma & Ba, arXiv:1412.6980; decay decoupled", "8 (12 with amsgrad)",
       "nothing"},
      {"adamw", "Loshchilov & Hutter, arXiv:1711.05101", "8 (12 with amsgrad)",
       "nothing"},
      {"dual_scaled_adam", "leloykun/adaptive-muon", "8", "nothing"},
      {"lion", "Chen et al., arXiv:2302.06675", "4", "nothing"},
      {"muon", "Jordan et al. 2024; Liu et al., arXiv:2502.16982",
       "4 (and 4 per row with normuon); others as internal",
       "matrices that are cut: each rank orthogonalizes its own rows (local_shard)"},
      {"nadam", "Dozat 2016; decay decoupled", "8 (12 with amsgrad)", "nothing"},
      {"nadamw", "Dozat 2016; decay decoupled, 0.01 by default", "8 (12 with amsgrad)",
       "nothing"},
      {"schedule_free_adamw", "Defazio et al., arXiv:2405.15682", "8", "nothing"},
      {"schedule_free_sgd", "Defazio et al., arXiv:2405.15682", "4", "nothing"},
      {"sgd", "Robbins & Monro 1951; Nesterov 1983; decay decoupled",
       "4 (0 without momentum)", "nothing"},
  };
  return table;
}

}  // namespace shardopt::optim
