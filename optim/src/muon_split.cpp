#include "muon_split.h"

#include <algorithm>
#include <optional>
#include <regex>
#include <utility>

#include "matrix_view.h"
#include "muon_internal.h"
#include "name_rules.h"
#include "row_blocks.h"
#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

// Of the whole matrix that is orthogonalized, also where this rank has no row.
double aspect(const Parameter& parameter, Flatten flatten) {
  std::vector<int64_t> sizes = parameter.rows.sizes().vec();
  sizes.front() = parameter.shard.global_rows();
  const auto [rows, cols] = matrix_shape(sizes, flatten);
  const auto [smaller, larger] = std::minmax({rows, cols});
  return static_cast<double>(larger) /
         static_cast<double>(std::max<int64_t>(smaller, 1));
}

class MuonRule {
 public:
  explicit MuonRule(const MuonOptions& options)
      : options_(options),
        exclude_("optimizer.muon.exclude", options.exclude),
        head_("optimizer.muon.head_pattern", options.head_pattern),
        blocks_("optimizer.muon.row_blocks_pattern", options.row_blocks_pattern) {}

  [[nodiscard]] bool takes(const Parameter& parameter) {
    const bool is_excluded = exclude_.finds(parameter);
    const bool is_head =
        head_.finds(parameter) || parameter.role == ParameterRole::kHead;
    const int64_t dims = dimensions(parameter);
    if (dims < options_.min_dimensions) return false;
    if (options_.max_dimensions && dims > *options_.max_dimensions) return false;
    if (options_.exclude_biases && has_bias_name(parameter)) return false;
    if (options_.exclude_embeddings && is_embedding(parameter)) return false;
    if (options_.exclude_head && is_head) return false;
    if (is_excluded) return false;
    return !options_.max_aspect ||
           aspect(parameter, options_.flatten) <= *options_.max_aspect;
  }

  // Notes the blocks of `parameter`, which Muon takes. Throws ConfigError if it cannot
  // train it.
  void admit(const Parameter& parameter, RowBlocks& blocks) {
    const Shard& shard = parameter.shard;
    std::vector<int64_t> bounds = {0, shard.global_rows()};
    if (blocks_.finds(parameter)) {
      bounds = block_bounds(parameter, options_);
      blocks.emplace(parameter.name, local_block_rows(bounds, shard));
    }
    if (options_.adaptive == Adaptive::kOff) return;
    if (is_batched(dimensions(parameter), options_.flatten)) return;
    if (!is_block_cut(bounds, shard)) return;
    SHARDOPT_THROW(ConfigError, "optimizer.muon.adaptive is on, but '", parameter.name,
                   "' is cut over ranks, of which mode local_shard orthogonalizes each "
                   "piece alone; allowed: adaptive off, or matrices whole on one rank");
  }

  [[nodiscard]] NamePattern& exclude() { return exclude_; }
  [[nodiscard]] NamePattern& head() { return head_; }
  [[nodiscard]] NamePattern& blocks() { return blocks_; }

 private:
  const MuonOptions& options_;
  NamePattern exclude_;
  NamePattern head_;
  NamePattern blocks_;
};

// Patterns found something in one of the groups; those of an empty optimizer need not.
void check_none_idle(std::vector<MuonRule>& rules) {
  for (NamePattern& (MuonRule::*pattern)() :
       {&MuonRule::exclude, &MuonRule::head, &MuonRule::blocks}) {
    const auto has_found = [&](MuonRule& rule) {
      return (rule.*pattern)().has_found();
    };
    const auto is_idle = [&](MuonRule& rule) { return (rule.*pattern)().is_idle(); };
    if (std::ranges::any_of(rules, has_found)) continue;
    const auto idle = std::ranges::find_if(rules, is_idle);
    if (idle != rules.end()) ((*idle).*pattern)().fail_as_idle();
  }
}

}  // namespace

MuonSplit split_for_muon(std::vector<ParamGroup<MuonOptions>> groups) {
  MuonSplit split;
  std::vector<ParamGroup<MuonOptions>> others;
  std::vector<MuonRule> rules;
  rules.reserve(groups.size());
  for (auto& [name, parameters, options] : groups) {
    options.validate();
    MuonRule& rule = rules.emplace_back(options);
    ParamGroup<MuonOptions> matrices{name, {}, options};
    ParamGroup<MuonOptions> rest{name, {}, options};
    for (Parameter& parameter : parameters) {
      const bool is_taken = rule.takes(parameter);
      if (is_taken) rule.admit(parameter, split.blocks);
      (is_taken ? matrices : rest).parameters.push_back(std::move(parameter));
    }
    split.muon.push_back(std::move(matrices));
    others.push_back(std::move(rest));
  }
  check_none_idle(rules);
  split.internal = make_internal(std::move(others));
  return split;
}

}  // namespace shardopt::optim
