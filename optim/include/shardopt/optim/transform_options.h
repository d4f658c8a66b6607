/// Options of gradient transforms, and the table of all transforms.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardopt/core/option.h"

namespace shardopt::optim {

/// One entry of the ordered list of transforms. What is unset has the default of the
/// transform; what is set must be one of its fields.
struct TransformRule {
  std::string name{};                   ///< One of transform_names().
  std::optional<int64_t> steps{};       ///< accumulate
  std::optional<double> max_norm{};     ///< clip_norm, clip_global_norm
  std::optional<std::string> form{};    ///< clip_global_norm
  std::optional<double> value{};        ///< clip_value
  std::optional<double> alpha{};        ///< grokfast_ema
  std::optional<double> lamb{};         ///< grokfast_ema, grokfast_ma
  std::optional<std::string> init{};    ///< grokfast_ema
  std::optional<int64_t> window{};      ///< grokfast_ma
  std::optional<std::string> filter{};  ///< grokfast_ma
  std::optional<bool> warmup{};         ///< grokfast_ma
  std::optional<bool> trigger{};        ///< grokfast_ma
};

/// Optional members have no default here: they must be given.
struct AccumulateOptions {
  std::optional<int64_t> steps{};
};

struct ClipNormOptions {
  std::optional<double> max_norm{};
};

enum class ClipForm : uint8_t { kKeras, kTorch };

struct ClipGlobalNormOptions {
  std::optional<double> max_norm{};
  ClipForm form = ClipForm::kKeras;
};

struct ClipValueOptions {
  std::optional<double> value{};
};

enum class EmaInit : uint8_t { kFirst, kZero };

struct GrokFastEmaOptions {
  double alpha = 0.98;
  double lamb = 2.0;
  EmaInit init = EmaInit::kFirst;
};

enum class WindowFilter : uint8_t { kMean, kSum };

struct GrokFastMaOptions {
  int64_t window = 100;
  double lamb = 5.0;
  WindowFilter filter = WindowFilter::kMean;
  bool warmup = true;
  bool trigger = false;
};

[[nodiscard]] std::vector<Option> options_of(TransformRule& rule);
[[nodiscard]] std::vector<Option> options_of(AccumulateOptions& options);
[[nodiscard]] std::vector<Option> options_of(ClipNormOptions& options);
[[nodiscard]] std::vector<Option> options_of(ClipGlobalNormOptions& options);
[[nodiscard]] std::vector<Option> options_of(ClipValueOptions& options);
[[nodiscard]] std::vector<Option> options_of(GrokFastEmaOptions& options);
[[nodiscard]] std::vector<Option> options_of(GrokFastMaOptions& options);

/// A field of a transform, for help texts.
struct TransformField {
  std::string name;
  std::string help;
  std::string type;
  std::string allowed;
  OptionValue default_value;  ///< monostate: the field must be given.
};

/// A transform, for help texts.
struct TransformInfo {
  std::string name;
  std::string meaning;
  std::string source;
  std::vector<TransformField> fields;
};

/// Every transform of this library, sorted by name.
[[nodiscard]] const std::vector<TransformInfo>& transform_infos();
[[nodiscard]] std::vector<std::string> transform_names();

/// Writes what `rule` sets into `options`. `place` names the rule in messages, as
/// "transform[2]". Throws ConfigError for a field that is set and not among `options`,
/// a value that is not allowed, or an option that is still unset.
void read_rule(const TransformRule& rule, std::string_view place,
               std::span<const Option> options);

/// `Options` with the values that `rule` sets; throws as read_rule does.
template <typename Options>
[[nodiscard]] Options options_from(const TransformRule& rule, std::string_view place) {
  Options options;
  read_rule(rule, place, options_of(options));
  return options;
}

}  // namespace shardopt::optim
