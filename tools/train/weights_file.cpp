#include "train/weights_file.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <torch/types.h>

#include "shardopt/checkpoint/safetensors.h"
#include "shardopt/core/error.h"

namespace shardopt::train {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

constexpr std::size_t kMostListed = 20;

// Names of a pattern list, as "model/head.*", and which entries have matched.
class PatternList {
 public:
  PatternList(std::string field, const std::string& list)
      : field_(std::move(field)), patterns_(config::split_list(list)) {}

  bool match(const std::string& weight) {
    bool is_match = false;
    for (const std::string& pattern : patterns_) {
      const std::string name = "model/" + weight;
      if (::fnmatch(pattern.c_str(), name.c_str(), FNM_NOESCAPE) != 0) continue;
      used_.insert(pattern);
      is_match = true;
    }
    return is_match;
  }

  void report_unused(std::vector<std::string>& problems) const {
    for (const std::string& pattern : patterns_) {
      if (used_.contains(pattern)) continue;
      problems.push_back(field_ + " '" + pattern + "' matches nothing");
    }
  }

 private:
  const std::string field_;
  const std::vector<std::string> patterns_;
  std::set<std::string> used_;
};

std::string dtype_name(at::ScalarType dtype) {
  if (dtype == at::kFloat) return "f32";
  if (dtype == at::kBFloat16) return "bf16";
  if (dtype == at::kHalf) return "f16";
  if (dtype == at::kDouble) return "f64";
  return c10::toString(dtype);
}

std::string describe(const at::Tensor& tensor, const std::vector<int64_t>& shape) {
  return c10::str(dtype_name(tensor.scalar_type()), " [", c10::Join(", ", shape), "]");
}

// What of the file goes where, and what does not fit.
class Matching {
 public:
  Matching(const config::ModelOptions& options, Tensors tensors)
      : may_miss_("model.init_allow_missing", options.init_allow_missing),
        ignored_("model.init_ignore", options.init_ignore),
        casts_(config::split_list(options.init_cast)),
        tensors_(std::move(tensors)) {}

  void add(const std::string& name, const StateTensor& weight, bool is_scalar) {
    const auto found = take(name, weight.aliases);
    const bool is_ignored = ignored_.match(name);
    const bool may_miss = may_miss_.match(name);
    if (is_ignored || (!found && may_miss)) {
      skipped.push_back("model/" + name);
    } else if (!found) {
      problems.push_back("model/" + name + ": missing in the file");
    } else {
      check(name, *found, weight, is_scalar);
    }
  }

  void end() {
    for (const auto& [name, tensor] : tensors_) {
      if (ignored_.match(name)) continue;
      problems.push_back("model/" + name + ": unknown here");
    }
    may_miss_.report_unused(problems);
    ignored_.report_unused(problems);
  }

  std::vector<std::pair<at::Tensor, at::Tensor>> copies;  // To, from.
  std::vector<std::string> skipped;
  std::vector<std::string> problems;

 private:
  // The tensor under any of the weight's names, all of which are thereby used.
  std::optional<at::Tensor> take(const std::string& name,
                                 std::vector<std::string> names) {
    names.insert(names.begin(), name);
    std::optional<at::Tensor> result;
    for (const std::string& one : names) {
      auto node = tensors_.extract(one);
      if (!node.empty() && !result) result = node.mapped();
    }
    return result;
  }

  void check(const std::string& name, const at::Tensor& tensor,
             const StateTensor& weight, bool is_scalar) {
    const std::vector<int64_t> whole = whole_shape(weight);
    const std::vector<int64_t> shape = is_scalar ? std::vector<int64_t>() : whole;
    const std::string cast = dtype_name(tensor.scalar_type()) + ":" +
                             dtype_name(weight.tensor.scalar_type());
    const bool is_type = tensor.scalar_type() == weight.tensor.scalar_type() ||
                         std::ranges::find(casts_, cast) != casts_.end();
    if (tensor.sizes().vec() != shape || !is_type) {
      problems.push_back("model/" + name + ": the file has " +
                         describe(tensor, tensor.sizes().vec()) + ", here " +
                         describe(weight.tensor, shape));
      return;
    }
    copies.emplace_back(weight.tensor,
                        tensor.view(whole).narrow(0, weight.shard->local_begin(),
                                                  weight.shard->local_rows()));
  }

  PatternList may_miss_;
  PatternList ignored_;
  const std::vector<std::string> casts_;
  Tensors tensors_;
};

std::string listing(const std::vector<std::string>& problems) {
  const std::size_t count = std::min(problems.size(), kMostListed);
  const std::vector<std::string> listed(problems.begin(), problems.begin() + count);
  const std::string rest = count == problems.size()
                               ? ""
                               : c10::str("; and ", problems.size() - count, " more");
  return c10::Join("; ", listed) + rest;
}

}  // namespace

std::vector<std::string> read_weights_file(const config::ModelOptions& options,
                                           const StateTree& model) {
  Matching matching(options, checkpoint::read_safetensors(options.init).tensors);
  for (const auto& [name, weight] : model.tensors) {
    matching.add(name, weight, model.values.contains(name + ".is_scalar"));
  }
  matching.end();
  if (!matching.problems.empty()) {
    SHARDOPT_THROW(CheckpointError, "model.init is '", options.init,
                   "', which does not fit: ", listing(matching.problems));
  }
  const at::NoGradGuard no_grad;
  for (auto& [to, from] : matching.copies) to.copy_(from);
  return matching.skipped;
}

}  // namespace shardopt::train
