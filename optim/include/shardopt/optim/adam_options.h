/// Options of Adam and Nadam.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "shardopt/core/option.h"
#include "shardopt/optim/update_rules.h"

namespace shardopt::optim {

/// Where eps stands.
enum class EpsForm : uint8_t {
  kStandard,  ///< mh / (sqrt(vh) + eps): beside the bias-corrected root.
  kHat        ///< sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + eps): Kingma & Ba's.
};

struct AdamOptions {
  double lr = 1e-3;
  double weight_decay = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  EpsForm eps_form = EpsForm::kStandard;
  bool amsgrad = false;
  UpdateRules rules{};

  /// Throws ConfigError, which names `owner`, if a value is out of range.
  void validate(std::string_view owner = "adam") const;
};

/// How Nadam looks ahead.
enum class NadamForm : uint8_t {
  kSimple,  ///< beta1 mh + (1 - beta1) g / (1 - beta1^t)
  kKeras    ///< Dozat's momentum schedule mu_t = beta1 (1 - 0.5 0.96^t), its products.
};

struct NadamOptions {
  double lr = 1e-3;
  double weight_decay = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  EpsForm eps_form = EpsForm::kStandard;
  bool amsgrad = false;
  NadamForm form = NadamForm::kSimple;
  UpdateRules rules{};

  /// Throws ConfigError, which names `owner`, if a value is out of range.
  void validate(std::string_view owner = "nadam") const;
};

/// adamw's and nadamw's defaults where they are not those above.
[[nodiscard]] AdamOptions adamw_defaults();
[[nodiscard]] NadamOptions nadamw_defaults();

/// Without lr, weight_decay and rules, which every algorithm has:
/// options_of(OptimizerConfig&).
[[nodiscard]] std::vector<Option> options_of(AdamOptions& options);
[[nodiscard]] std::vector<Option> options_of(NadamOptions& options);

}  // namespace shardopt::optim
