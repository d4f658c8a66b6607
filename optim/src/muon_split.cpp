#include "muon_split.h"

#include <algorithm>
#include <optional>
#include <regex>
#include <utility>

#include "name_rules.h"

namespace shardopt::optim {
namespace {

// Numbers in one row of the whole, also where this rank has no row.
int64_t columns(const Parameter& parameter) {
  int64_t product = 1;
  for (const int64_t size : parameter.rows.sizes().slice(1)) product *= size;
  return product;
}

double aspect(const Parameter& parameter) {
  const auto [smaller, larger] =
      std::minmax({parameter.shard.global_rows(), columns(parameter)});
  return static_cast<double>(larger) /
         static_cast<double>(std::max<int64_t>(smaller, 1));
}

class MuonRule {
 public:
  explicit MuonRule(const MuonOptions& options) : options_(options) {
    if (!options.exclude.empty()) {
      exclude_ = compile_pattern("optimizer.muon.exclude", options.exclude);
    }
  }

  [[nodiscard]] bool takes(const Parameter& parameter) const {
    if (dimensions(parameter) < 2 || has_bias_name(parameter)) return false;
    if (options_.exclude_embeddings && is_embedding(parameter)) return false;
    if (options_.exclude_head && parameter.role == ParameterRole::kHead) return false;
    if (exclude_ && std::regex_search(parameter.name, *exclude_)) return false;
    return !options_.max_aspect || aspect(parameter) <= *options_.max_aspect;
  }

 private:
  const MuonOptions& options_;
  std::optional<std::regex> exclude_;
};

AdamWOptions internal_options(const MuonOptions& muon) {
  return {.lr = muon.adamw.lr.value_or(muon.lr),
          .weight_decay = muon.adamw.weight_decay.value_or(muon.weight_decay),
          .beta1 = muon.adamw.beta1,
          .beta2 = muon.adamw.beta2,
          .eps = muon.adamw.eps};
}

}  // namespace

MuonSplit split_for_muon(std::vector<ParamGroup<MuonOptions>> groups) {
  MuonSplit split;
  for (auto& [name, parameters, options] : groups) {
    options.validate();
    ParamGroup<AdamWOptions> others{name, {}, internal_options(options)};
    ParamGroup<MuonOptions> matrices{std::move(name), {}, options};
    const MuonRule rule(options);
    for (Parameter& parameter : parameters) {
      auto& target = rule.takes(parameter) ? matrices.parameters : others.parameters;
      target.push_back(std::move(parameter));
    }
    split.muon.push_back(std::move(matrices));
    split.adamw.push_back(std::move(others));
  }
  return split;
}

}  // namespace shardopt::optim
