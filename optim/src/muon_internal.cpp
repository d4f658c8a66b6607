#include "muon_internal.h"

#include <utility>

#include "shardopt/core/error.h"
#include "shardopt/optim/adam.h"
#include "shardopt/optim/lion.h"
#include "shardopt/optim/nadam.h"

namespace shardopt::optim {
namespace {

// `own` are the options of the internal algorithm within `muon`.
template <typename Options, typename Own>
Options common_part(const MuonOptions& muon, const Own& own) {
  Options options;
  options.lr = own.lr.value_or(own.ratio * muon.lr);
  options.weight_decay = own.weight_decay.value_or(muon.weight_decay);
  options.beta1 = own.beta1;
  options.beta2 = own.beta2;
  options.rules = muon.rules;
  if (muon.decay_lr == DecayLr::kFull) options.rules.decay_lr = muon.lr;
  return options;
}

template <typename Options>
Options adam_options(const MuonOptions& muon, const MuonAdamOptions& own) {
  auto options = common_part<Options>(muon, own);
  options.eps = own.eps;
  options.eps_form = own.eps_form;
  return options;
}

template <typename Options, typename Convert>
std::vector<ParamGroup<Options>> converted(std::vector<ParamGroup<MuonOptions>> groups,
                                           const Convert& convert) {
  std::vector<ParamGroup<Options>> result;
  for (auto& [name, parameters, options] : groups) {
    result.push_back({std::move(name), std::move(parameters), convert(options)});
  }
  return result;
}

Internal algorithm_of(const std::vector<ParamGroup<MuonOptions>>& groups) {
  if (groups.empty()) return Internal::kAdamW;
  const Internal algorithm = groups.front().options.internal;
  for (const auto& group : groups) {
    if (group.options.internal == algorithm) continue;
    SHARDOPT_THROW(ConfigError, "muon: groups '", groups.front().name, "' and '",
                   group.name, "' have different internal optimizers; allowed: one");
  }
  return algorithm;
}

}  // namespace

std::unique_ptr<Optimizer> make_internal(std::vector<ParamGroup<MuonOptions>> groups) {
  switch (algorithm_of(groups)) {
    case Internal::kAdamW:
      return std::make_unique<Adam>(
          converted<AdamOptions>(
              std::move(groups),
              [](const auto& o) { return adam_options<AdamOptions>(o, o.adamw); }),
          "adamw");
    case Internal::kNadamW:
      return std::make_unique<Nadam>(
          converted<NadamOptions>(
              std::move(groups),
              [](const auto& o) { return adam_options<NadamOptions>(o, o.nadamw); }),
          "nadamw");
    case Internal::kLion:
      return std::make_unique<Lion>(converted<LionOptions>(
          std::move(groups),
          [](const auto& o) { return common_part<LionOptions>(o, o.lion); }));
  }
  TORCH_INTERNAL_ASSERT(false, "unnamed Internal");
}

}  // namespace shardopt::optim
