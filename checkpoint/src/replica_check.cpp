#include "replica_check.h"

#include <functional>

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include "agree.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/core/digest.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/distributed/divergence.h"
#include "shardopt/distributed/small_messages.h"

namespace shardopt::checkpoint {
namespace {

using Filter = std::function<bool(const StateTensor&)>;

// The tensors of `tree` that `takes` takes; no values.
StateTree filtered(const StateTree& tree, const Filter& takes) {
  StateTree result{.kind = tree.kind};
  for (const auto& [slot, tensor] : tree.tensors) {
    if (takes(tensor)) result.tensors.emplace(slot, tensor);
  }
  for (const auto& [name, child] : tree.children) {
    StateTree part = filtered(child, takes);
    if (part.tensors.empty() && part.children.empty()) continue;
    result.children.emplace(name, std::move(part));
  }
  return result;
}

bool is_empty(const StateTree& tree) {
  return tree.tensors.empty() && tree.children.empty();
}

void make_replicated(StateTree& tree) {
  for (auto& [slot, tensor] : tree.tensors) tensor.spread = Spread::kReplicated;
  for (auto& [name, child] : tree.children) make_replicated(child);
}

const StateTensor* find(const StateTree& tree, const std::string& path) {
  const std::size_t slash = path.find('/');
  if (slash == std::string::npos) {
    const auto it = tree.tensors.find(path);
    return it == tree.tensors.end() ? nullptr : &it->second;
  }
  const auto it = tree.children.find(path.substr(0, slash));
  return it == tree.children.end() ? nullptr : find(it->second, path.substr(slash + 1));
}

// Which ranks hold other bytes of one tensor than the first rank that holds the same
// rows.
std::string differing_ranks(const RankGroup& ranks, const StateTensor& tensor) {
  at::Tensor digests = at::zeros({ranks.size()}, at::kLong);
  auto* all = digests.mutable_data_ptr<int64_t>();
  all[ranks.rank()] = static_cast<int64_t>(digest(tensor.tensor));
  ranks.world().all_reduce(digests, distributed::ReduceOp::kSum)->wait();
  std::string text;
  for (int rank = 0; rank < ranks.size(); ++rank) {
    const int first = tensor.spread == Spread::kCut ? rank % ranks.shards() : 0;
    if (all[rank] == all[first]) continue;
    text += c10::str(text.empty() ? "" : ", ", rank, " (from rank ", first, ")");
  }
  return text;
}

void fail_for(const RankGroup& ranks, const StateTree& held,
              const std::vector<std::string>& names) {
  // A name that stands for no tensor is another shard's: its ranks have the real one.
  const bool knows = !names.empty() && find(held, names.front()) != nullptr;
  const int speaker = lowest_rank(ranks.world(), knows);
  TORCH_INTERNAL_ASSERT(speaker < ranks.size());
  const std::string name =
      distributed::broadcast_text(ranks.world(), knows ? names.front() : "", speaker);
  const std::string text = differing_ranks(ranks, *find(held, name));
  SHARDOPT_CHECKPOINT_FAIL(Fault::kMismatch,
                           "ranks that should hold the same rows of '", name,
                           "' do not: rank ", text);
}

}  // namespace

std::vector<std::string> check_replicas(const RankGroup& ranks, const StateTree& state,
                                        int64_t max_bytes) {
  const StateTree held = filtered(state, [&](const StateTensor& tensor) {
    const bool is_held_twice = tensor.spread == Spread::kReplicated ||
                               (tensor.spread == Spread::kCut && ranks.copies() > 1);
    // Of the whole: the same on every rank, as every choice here must be.
    return is_held_twice && (max_bytes == 0 || whole_bytes(tensor) <= max_bytes);
  });
  if (!is_empty(held) && ranks.size() > 1) {
    const auto names =
        distributed::diverged_entries(ranks.world(), ranks.replicate(), held);
    if (lowest_rank(ranks.world(), !names.empty()) < ranks.size()) {
      fail_for(ranks, held, names);
    }
  }
  StateTree first = filtered(state, [](const StateTensor& tensor) {
    return tensor.spread == Spread::kFirstRank;
  });
  if (is_empty(first) || ranks.size() == 1) return {};
  make_replicated(first);
  return distributed::diverged_entries(ranks.world(), nullptr, first);
}

}  // namespace shardopt::checkpoint
