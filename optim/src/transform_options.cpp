#include "shardopt/optim/transform_options.h"

#include <algorithm>
#include <variant>

#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

constexpr Range kWindow{.min = 1.0, .max = 65536.0};  // Gradients kept: memory.
constexpr Range kWholeFrom2{.min = 2.0};

bool is_unset(const Option& option) {
  return std::holds_alternative<std::monostate>(option.get());
}

std::string names_of(std::span<const Option> options) {
  std::vector<std::string> names;
  for (const Option& option : options) names.push_back(option.name);
  return names.empty() ? "none" : c10::Join(", ", names);
}

std::vector<TransformField> described(std::span<const Option> options) {
  std::vector<TransformField> fields;
  for (const Option& option : options) {
    fields.push_back(
        {option.name, option.help, option.type, option.allowed, option.get()});
  }
  return fields;
}

template <typename Options>
std::vector<TransformField> fields_of() {
  Options defaults;
  return described(options_of(defaults));
}

}  // namespace

std::vector<Option> options_of(TransformRule& rule) {
  return {
      make_choice("name", rule.name, transform_names(), "Which transform."),
      make_option("steps", rule.steps, Range{}, "Of accumulate."),
      make_option("max_norm", rule.max_norm, Range{},
                  "Of clip_norm and clip_global_norm."),
      make_option("form", rule.form, "Of clip_global_norm."),
      make_option("value", rule.value, Range{}, "Of clip_value."),
      make_option("alpha", rule.alpha, Range{}, "Of grokfast_ema."),
      make_option("lamb", rule.lamb, Range{}, "Of grokfast_ema and grokfast_ma."),
      make_option("init", rule.init, "Of grokfast_ema."),
      make_option("window", rule.window, Range{}, "Of grokfast_ma."),
      make_option("filter", rule.filter, "Of grokfast_ma."),
      make_option("warmup", rule.warmup, "Of grokfast_ma."),
      make_option("trigger", rule.trigger, "Of grokfast_ma."),
  };
}

std::vector<Option> options_of(AccumulateOptions& options) {
  return {make_option("steps", options.steps, kWholeFrom2,
                      "Micro-steps whose gradients an update takes the mean of.")};
}

std::vector<Option> options_of(ClipNormOptions& options) {
  return {make_option("max_norm", options.max_norm, kPositive,
                      "Largest 2-norm that a parameter's gradient keeps.")};
}

std::vector<Option> options_of(ClipGlobalNormOptions& options) {
  return {
      make_option("max_norm", options.max_norm, kPositive,
                  "Largest 2-norm c that all gradients together keep."),
      make_choice("form", options.form,
                  {{"keras", ClipForm::kKeras}, {"torch", ClipForm::kTorch}},
                  "Factor for a norm N: c / max(N, c), and NaN if N is not finite; or "
                  "min(1, c / (N + 1e-6)), and 1 if N is not finite."),
  };
}

std::vector<Option> options_of(ClipValueOptions& options) {
  return {make_option("value", options.value, kPositive,
                      "Largest absolute value of an entry.")};
}

std::vector<Option> options_of(GrokFastEmaOptions& options) {
  return {
      make_option("alpha", options.alpha, kFraction,
                  "Decay of the average of gradients, per update."),
      make_option("lamb", options.lamb, kNonNegative,
                  "How many times the average is added to the gradient."),
      make_choice("init", options.init,
                  {{"first", EmaInit::kFirst}, {"zero", EmaInit::kZero}},
                  "What the average starts as: the first gradient, or zero."),
  };
}

std::vector<Option> options_of(GrokFastMaOptions& options) {
  return {
      make_option("window", options.window, kWindow,
                  "Gradients that are kept, as many times the parameters' bytes."),
      make_option("lamb", options.lamb, kNonNegative,
                  "How many times their mean or sum is added to the gradient."),
      make_choice("filter", options.filter,
                  {{"mean", WindowFilter::kMean}, {"sum", WindowFilter::kSum}},
                  "What is added, the newest gradient included."),
      make_option("warmup", options.warmup,
                  "Leave gradients as they are until the window is full."),
      make_option("trigger", options.trigger,
                  "With warmup: leave them so after that too, as an ablation."),
  };
}

const std::vector<TransformInfo>& transform_infos() {
  static const std::vector<TransformInfo> table = {
      {"accumulate", "One update from the mean gradient of several micro-steps.",
       "Keras gradient_accumulation_steps", fields_of<AccumulateOptions>()},
      {"clip_global_norm", "Scales all gradients by the norm of all together.",
       "Keras global_clipnorm; torch clip_grad_norm_",
       fields_of<ClipGlobalNormOptions>()},
      {"clip_norm", "Scales each parameter's gradient by its own norm.",
       "Keras clipnorm", fields_of<ClipNormOptions>()},
      {"clip_value", "Clamps every entry.", "Keras clipvalue",
       fields_of<ClipValueOptions>()},
      {"grokfast_ema", "Adds a moving average of earlier gradients.",
       "GrokFast, arXiv 2405.20233", fields_of<GrokFastEmaOptions>()},
      {"grokfast_ma", "Adds the mean or sum of a window of gradients.",
       "GrokFast, arXiv 2405.20233", fields_of<GrokFastMaOptions>()},
      {"orthograd",
       "Takes away what lies along the weights, keeping the norm.",
       "OrthoGrad, arXiv 2501.04697",
       {}},
      {"unscale",
       "Divides by the loss scale; always first.",
       "Keras loss_scale_factor",
       {}},
  };
  return table;
}

std::vector<std::string> transform_names() {
  std::vector<std::string> names;
  for (const TransformInfo& info : transform_infos()) names.push_back(info.name);
  return names;
}

void read_rule(const TransformRule& rule, std::string_view place,
               std::span<const Option> options) {
  TransformRule copy = rule;
  for (const Option& field : options_of(copy)) {
    if (field.name == "name" || is_unset(field)) continue;
    const auto option = std::ranges::find(options, field.name, &Option::name);
    if (option == options.end()) {
      SHARDOPT_THROW(ConfigError, place, ".", field.name, " is ",
                     to_string(field.get()), ", but '", rule.name,
                     "' has no such field; it has: ", names_of(options));
    }
    const std::string problem = option->problem(field.get());
    if (!problem.empty()) {
      SHARDOPT_THROW(ConfigError, place, ".", field.name, " ", problem);
    }
    option->set(field.get());
  }
  for (const Option& option : options) {
    if (!is_unset(option)) continue;
    SHARDOPT_THROW(ConfigError, place, ".", option.name, " is unset, but '", rule.name,
                   "' needs it; allowed: ", option.allowed);
  }
}

}  // namespace shardopt::optim
