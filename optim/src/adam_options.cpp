#include "shardopt/optim/adam_options.h"

#include "common_options.h"

namespace shardopt::optim {
namespace {

constexpr double kAdamWDecay = 0.01;
constexpr double kAdamWBeta2 = 0.95;

// Of AdamOptions or NadamOptions.
template <typename Options>
std::vector<Option> moment_options(Options& options) {
  return {
      make_option("beta1", options.beta1, kFraction,
                  "Decay of the mean of gradients, per step."),
      make_option("beta2", options.beta2, kFraction,
                  "Decay of the mean of squared gradients, per step."),
      make_option("eps", options.eps, kPositive,
                  "Added to the root of the mean square, in units of the gradient."),
      make_choice("eps_form", options.eps_form, eps_forms(), kEpsFormHelp),
      make_option("amsgrad", options.amsgrad,
                  "Divide by the largest mean square so far (arXiv:1904.09237); one "
                  "more tensor of state."),
  };
}

}  // namespace

void AdamOptions::validate(std::string_view owner) const { check_all(owner, *this); }

void NadamOptions::validate(std::string_view owner) const { check_all(owner, *this); }

AdamOptions adamw_defaults() {
  return {.weight_decay = kAdamWDecay, .beta2 = kAdamWBeta2};
}

NadamOptions nadamw_defaults() { return {.weight_decay = kAdamWDecay}; }

std::vector<Option> options_of(AdamOptions& options) { return moment_options(options); }

std::vector<Option> options_of(NadamOptions& options) {
  std::vector<Option> list = moment_options(options);
  list.push_back(make_choice(
      "form", options.form,
      {{"simple", NadamForm::kSimple}, {"keras", NadamForm::kKeras}},
      "simple: beta1 m + (1 - beta1) g, bias-corrected by beta1^t; keras: Dozat's "
      "momentum schedule beta1 (1 - 0.5 0.96^t) and its products, as Keras and PyTorch "
      "(momentum_decay 1) have it."));
  return list;
}

}  // namespace shardopt::optim
