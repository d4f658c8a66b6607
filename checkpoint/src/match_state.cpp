#include "match_state.h"

#include <utility>

#include <c10/util/StringUtil.h>

#include "allowances.h"
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

// What stands in one part's lists, and what its name ends in.
struct Entry {
  const char* what;
  const char* end;
};
constexpr Entry kValue{"value", ""};
constexpr Entry kTensor{"tensor", ""};
constexpr Entry kPart{"part", "/"};

// Walks both trees at once; paths are those of parts, ending in "/".
class Matching {
 public:
  Matching(const Manifest& manifest, const LoadOptions& options, int rank,
           int world_size)
      : manifest_(manifest),
        rank_(rank),
        has_same_ranks_(world_size == manifest.mesh.world_size),
        allowances_(options) {}

  Match run(StateTree& destination) {
    part(manifest_.state, destination, "");
    for (std::string& problem : allowances_.problems()) {
      match_.problems.push_back(std::move(problem));
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
    pair_up(saved.values, here.values, path, kValue,
            [&](const std::string& full, const StateValue& theirs, StateValue& mine) {
              value(full, theirs, mine);
            });
    pair_up(saved.tensors, here.tensors, path, kTensor,
            [&](const std::string& full, const TensorReference& theirs,
                StateTensor& mine) { tensor(full, theirs, mine); });
    pair_up(saved.children, here.children, path, kPart,
            [&](const std::string& full, const StoredState& theirs, StateTree& mine) {
              part(theirs, mine, full + "/");
            });
  }

  // Calls `both` for names on both sides; the others are differences, or skipped.
  template <typename Saved, typename Here, typename Both>
  void pair_up(const Saved& saved, Here& here, const std::string& path,
               const Entry& entry, Both both) {
    for (auto& [name, mine] : here) {
      const std::string full = path + name;
      const auto it = saved.find(name);
      const bool may_miss = allowances_.may_miss(full + entry.end);
      if (allowances_.is_ignored(full + entry.end)) {
        if (it != saved.end()) use_patterns_within(full, it->second);
        skip(full, mine);
      } else if (it != saved.end()) {
        both(full, it->second, mine);
      } else if (may_miss) {
        skip(full, mine);
      } else {
        report(full, c10::str("this ", entry.what, " is missing in the checkpoint"));
      }
    }
    for (const auto& [name, theirs] : saved) {
      if (here.contains(name)) continue;
      const std::string full = path + name;
      if (allowances_.is_ignored(full + entry.end)) {
        skip(full, theirs);
      } else {
        report(full,
               c10::str("this ", entry.what, " of the checkpoint is unknown here"));
      }
    }
  }

  template <typename Item>
  void skip(const std::string& path, const Item& item) {
    match_.skipped.push_back(path);
    use_patterns_within(path, item);
  }

  // A pattern of something in a part that is left out as a whole has its match.
  template <typename Item>
  void use_patterns_within(const std::string& path, const Item& item) {
    if constexpr (requires { item.children; }) {
      const auto use = [&](const auto& items, const Entry& entry) {
        for (const auto& [name, inner] : items) {
          const std::string full = path + "/" + name;
          (void)allowances_.may_miss(full + entry.end);
          (void)allowances_.is_ignored(full + entry.end);
          use_patterns_within(full, inner);
        }
      };
      use(item.values, kValue);
      use(item.tensors, kTensor);
      use(item.children, kPart);
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
    const at::ScalarType from = dtype_named(saved.dtype).value();
    const at::ScalarType to = here.tensor.scalar_type();
    const bool is_fine = from == to || allowances_.may_cast(from, to);
    if (saved.shape == shape && is_fine) return;
    report(path, "tensor is " + describe(saved.dtype, saved.shape) + ", here " +
                     describe(dtype, shape));
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
  Allowances allowances_;
  Match match_;
};

}  // namespace

Match match_state(const Manifest& manifest, StateTree& destination,
                  const LoadOptions& options, int rank, int world_size) {
  return Matching(manifest, options, rank, world_size).run(destination);
}

}  // namespace shardopt::checkpoint
