/// What every algorithm does in the same way with the direction that it found.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "shardopt/core/option.h"

namespace shardopt::optim {

/// Divisor of a cautious direction, where m is the share of entries that are kept, over
/// the whole tensor of n entries (Liang et al. 2024, arXiv:2411.16085, and its codes).
enum class CautionNormaliser : uint8_t {
  kClamp,    ///< max(m, 0.001)
  kPlusOne,  ///< m + 1 / n
  kPlusEps   ///< m + eps, the algorithm's own where it has one, else 1e-8
};

enum class DecayOrder : uint8_t { kBefore, kAfter };

/// Weights move by rows -= lr direction and, decoupled, by rows -= lr weight_decay
/// rows.
struct UpdateRules {
  /// Keep of a direction what agrees in sign with the gradient, strictly, normalised.
  bool caution = false;
  CautionNormaliser caution_normaliser = CautionNormaliser::kClamp;
  /// Decay only where direction * weight >= 0 (Chen et al. 2025, arXiv:2510.12402).
  bool cautious_decay = false;
  DecayOrder decay_order = DecayOrder::kBefore;
  /// lr of the decay, before any schedule; unset: that of the step.
  std::optional<double> decay_lr{};
};

/// All but decay_lr, which Muon sets for its internal optimizer.
[[nodiscard]] std::vector<Option> options_of(UpdateRules& options);

}  // namespace shardopt::optim
