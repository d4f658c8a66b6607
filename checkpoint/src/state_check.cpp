#include "state_check.h"

#include <algorithm>
#include <set>
#include <string>

#include "paths.h"
#include "shardopt/checkpoint/checkpoint_failure.h"

namespace shardopt::checkpoint {
namespace {

template <typename... Text>
[[noreturn]] void fail(const Text&... text) {
  SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, text...);
}

class StateCheck {
 public:
  explicit StateCheck(const Manifest& manifest) : manifest_(manifest) {}

  void run() {
    check(manifest_.state);
    if (used_.size() != manifest_.tensors.size()) {
      const auto is_unused = [&](const auto& t) { return !used_.contains(t.name); };
      const auto it = std::ranges::find_if(manifest_.tensors, is_unused);
      fail("tensor '", it->name, "' belongs to no state");
    }
    for (const StoredTensor& tensor : manifest_.tensors) check_aliases(tensor);
  }

 private:
  void check(const StoredState& state) {
    for (const auto& [slot, reference] : state.tensors) {
      const bool is_own = reference.spread == Spread::kPerRank;
      const int count = is_own ? manifest_.mesh.world_size : 1;
      for (int rank = 0; rank < count; ++rank) {
        use(reference.spread,
            is_own ? per_rank_name(reference.tensor, rank) : reference.tensor, slot);
      }
    }
    for (const auto& [name, child] : state.children) check(child);
  }

  void use(Spread spread, const std::string& name, const std::string& slot) {
    const StoredTensor* tensor = find_tensor(manifest_, name);
    if (tensor == nullptr) fail("slot '", slot, "': there is no tensor '", name, "'");
    if (spread == Spread::kCut && tensor->shape.empty()) {
      fail("tensor '", name, "' is cut, but has no dimension");
    }
    if (!used_.insert(tensor->name).second) {
      fail("tensor '", name, "' belongs to two slots");
    }
  }

  void check_aliases(const StoredTensor& tensor) {
    for (const std::string& alias : tensor.aliases) {
      const bool is_taken =
          find_tensor(manifest_, alias) != nullptr || !aliases_.insert(alias).second;
      if (is_taken || !problem_of_tensor_name(alias).empty()) {
        fail("tensor '", tensor.name, "': its alias '", alias, "' cannot be a name");
      }
    }
  }

  const Manifest& manifest_;
  std::set<std::string> used_;
  std::set<std::string> aliases_;
};

}  // namespace

void check_state(const Manifest& manifest) { StateCheck(manifest).run(); }

}  // namespace shardopt::checkpoint
