#include "match_state.h"

#include <cctype>
#include <set>
#include <utility>

#include <c10/util/StringUtil.h>

#include "pattern.h"
#include "safetensors_dtypes.h"

namespace shardopt::checkpoint {
namespace {

std::string type_name(const StateValue& value) {
  static const char* const kNames[] = {"flag",   "signed count", "count",
                                       "number", "text",         "list of numbers"};
  return kNames[value.index()];
}

std::string describe(std::string_view dtype, const std::vector<int64_t>& shape) {
  return c10::str(dtype, " [", c10::Join(", ", shape), "]");
}

bool is_expanded(const at::Tensor& tensor) {
  for (int64_t i = 0; i < tensor.dim(); ++i) {
    if (tensor.stride(i) == 0 && tensor.size(i) > 1) return true;
  }
  return false;
}

const char* spread_name(Spread spread) {
  switch (spread) {
    case Spread::kCut:
      return "cut";
    case Spread::kReplicated:
      return "replicated";
    case Spread::kPerRank:
      return "per rank";
    case Spread::kFirstRank:
      return "rank 0's";
  }
  return "unknown";
}

// Walks both trees at once; paths are those of parts, ending in "/".
class Matching {
 public:
  Matching(const Manifest& manifest, const LoadOptions& options, int rank,
           int world_size)
      : manifest_(manifest),
        rank_(rank),
        has_same_ranks_(world_size == manifest.mesh.world_size),
        may_miss_(options.allow_missing),
        ignored_(options.ignore),
        casts_(options.cast.begin(), options.cast.end()) {}

  Match run(StateTree& destination) {
    part(manifest_.state, destination, "");
    for (const Patterns* patterns : {&may_miss_, &ignored_}) {
      for (const std::string& pattern : patterns->unused()) {
        report("pattern '" + pattern + "'", "matches nothing");
      }
    }
    return std::move(match_);
  }

 private:
  void part(const StoredState& saved, StateTree& here, const std::string& path) {
    const std::string name = path.empty() ? "(root)" : path.substr(0, path.size() - 1);
    if (saved.kind == kRecordOnly && here.kind == kRecordOnly) {
      here.values = saved.values;
      return;
    }
    if (saved.kind != here.kind) {
      report(name, c10::str("kind is '", saved.kind, "', here '", here.kind, "'"));
      return;  // What follows would be noise.
    }
    if (saved.version != here.version) {
      report(name, c10::str("version is ", saved.version, ", here ", here.version));
      return;
    }
    pair_up(saved.values, here.values, path, "value",
            [&](const std::string& full, const StateValue& theirs, StateValue& mine) {
              value(full, theirs, mine);
            });
    pair_up(saved.tensors, here.tensors, path, "tensor",
            [&](const std::string& full, const TensorReference& theirs,
                StateTensor& mine) { tensor(full, theirs, mine); });
    pair_up(saved.children, here.children, path, "part",
            [&](const std::string& full, const StoredState& theirs, StateTree& mine) {
              part(theirs, mine, full + "/");
            });
  }

  // Calls `both` for names on both sides; the others are differences, or skipped.
  template <typename Saved, typename Here, typename Both>
  void pair_up(const Saved& saved, Here& here, const std::string& path,
               const char* what, Both both) {
    for (auto& [name, mine] : here) {
      const std::string full = path + name;
      const auto it = saved.find(name);
      const bool may_miss = may_miss_.match(full);
      if (ignored_.match(full)) {
        match_.skipped.push_back(full);
      } else if (it != saved.end()) {
        both(full, it->second, mine);
      } else if (may_miss) {
        match_.skipped.push_back(full);
      } else {
        report(full, c10::str("this ", what, " is missing in the checkpoint"));
      }
    }
    for (const auto& [name, theirs] : saved) {
      if (here.contains(name)) continue;
      const std::string full = path + name;
      if (ignored_.match(full)) {
        match_.skipped.push_back(full);
      } else {
        report(full, c10::str("this ", what, " of the checkpoint is unknown here"));
      }
    }
  }

  void value(const std::string& path, const StateValue& saved, StateValue& here) {
    if (saved.index() == here.index()) {
      here = saved;
    } else {
      report(path,
             c10::str("value is a ", type_name(saved), ", here a ", type_name(here)));
    }
  }

  void tensor(const std::string& path, const TensorReference& saved,
              const StateTensor& here) {
    if (saved.spread != here.spread) {
      report(path, c10::str("tensor is ", spread_name(saved.spread), ", here ",
                            spread_name(here.spread)));
      return;
    }
    const bool is_own = here.spread == Spread::kPerRank;
    if (is_own && !has_same_ranks_) {
      match_.per_rank_skipped.push_back(path);
      return;
    }
    const StoredTensor* stored = find_tensor(
        manifest_, is_own ? per_rank_name(saved.tensor, rank_) : saved.tensor);
    TORCH_INTERNAL_ASSERT(stored != nullptr);  // check_manifest has seen to it.
    check_kind(path, *stored, here);
    add_target(path, *stored, here);
  }

  void check_kind(const std::string& path, const StoredTensor& saved,
                  const StateTensor& here) {
    const auto dtype = dtype_name(here.tensor.scalar_type()).value_or("unknown");
    const std::vector<int64_t> shape = whole_shape(here);
    const bool is_known_dtype = saved.dtype == dtype || is_cast(saved.dtype, dtype);
    if (saved.shape == shape && is_known_dtype) return;
    report(path, "tensor is " + describe(saved.dtype, saved.shape) + ", here " +
                     describe(dtype, shape));
  }

  // Users write dtypes in small letters.
  [[nodiscard]] bool is_cast(std::string from, std::string_view to) const {
    std::string pair = std::move(from) + ":" + std::string(to);
    for (char& c : pair) c = static_cast<char>(std::tolower(c));
    return casts_.contains(pair);
  }

  void add_target(const std::string& path, const StoredTensor& saved,
                  const StateTensor& here) {
    const bool is_cut = here.spread == Spread::kCut;
    at::Tensor rows = here.tensor.detach();
    TORCH_CHECK(!is_expanded(rows), "'", path,
                "' cannot be loaded into: its elements share memory");
    if (rows.dim() == 0) rows = rows.view({1});
    const int64_t begin = is_cut ? here.shard->local_begin() : 0;
    match_.targets.push_back({.stored = &saved,
                              .path = path,
                              .rows = rows,
                              .row_begin = begin,
                              .row_end = begin + rows.size(0)});
  }

  void report(const std::string& path, const std::string& text) {
    match_.problems.push_back(path + ": " + text);
  }

  const Manifest& manifest_;
  const int rank_;
  const bool has_same_ranks_;
  Patterns may_miss_;
  Patterns ignored_;
  const std::set<std::string> casts_;
  Match match_;
};

}  // namespace

Match match_state(const Manifest& manifest, StateTree& destination,
                  const LoadOptions& options, int rank, int world_size) {
  return Matching(manifest, options, rank, world_size).run(destination);
}

}  // namespace shardopt::checkpoint
