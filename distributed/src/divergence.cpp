#include "shardopt/distributed/divergence.h"

#include <cstring>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include "shardopt/core/digest.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/distributed/mesh.h"

namespace shardopt::distributed {
namespace {

struct Entry {
  std::string name;
  int64_t digest;
};

struct Entries {
  std::vector<Entry> everywhere;
  std::vector<Entry> on_replicas;
};

std::string bytes_of(const StateValue& value) {
  const auto as_bytes = [](const auto& held) -> std::string {
    using Held = std::decay_t<decltype(held)>;
    if constexpr (std::is_same_v<Held, std::string>) {
      return held;
    } else if constexpr (std::is_same_v<Held, std::vector<double>>) {
      const auto* data = reinterpret_cast<const char*>(held.data());
      return {data, held.size() * sizeof(double)};
    } else {
      return {reinterpret_cast<const char*>(&held), sizeof held};
    }
  };
  return static_cast<char>(value.index()) + std::visit(as_bytes, value);
}

// Cut tensors only if there are copies to compare them with.
void collect(const StateTree& tree, const std::string& prefix, bool has_copies,
             Entries& entries) {
  for (const auto& [name, value] : tree.values) {
    entries.everywhere.push_back(
        {prefix + name, static_cast<int64_t>(digest(bytes_of(value)))});
  }
  for (const auto& [name, held] : tree.tensors) {
    const bool is_own = held.spread == Spread::kPerRank ||
                        held.spread == Spread::kFirstRank ||
                        (held.spread == Spread::kCut && !has_copies);
    if (is_own) continue;
    auto& list = held.spread == Spread::kCut ? entries.on_replicas : entries.everywhere;
    list.push_back({prefix + name, static_cast<int64_t>(digest(held.tensor))});
  }
  for (const auto& [name, child] : tree.children) {
    collect(child, prefix + name + "/", has_copies, entries);
  }
}

// Whether each of `digests` is the same on all ranks: its minimum is its maximum.
std::vector<bool> are_equal(Communicator& communicator,
                            std::span<const int64_t> digests) {
  const auto count = static_cast<int64_t>(digests.size());
  at::Tensor extremes = at::empty({2 * count}, at::kLong);
  auto* entries = extremes.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    entries[i] = digests[i];
    entries[count + i] = ~digests[i];  // whose minimum is that of the maximum
  }
  communicator.all_reduce(extremes, ReduceOp::kMin)->wait();
  std::vector<bool> equal;
  for (int64_t i = 0; i < count; ++i)
    equal.push_back(entries[i] == ~entries[count + i]);
  return equal;
}

// The names first: what is compared entry by entry must be the same entries.
std::vector<std::string> differing(Communicator& communicator,
                                   const std::vector<Entry>& entries) {
  std::string names;
  std::vector<int64_t> digests;
  for (const Entry& entry : entries) names += entry.name + "\n";
  const auto digest_of_names = static_cast<int64_t>(digest(names));
  if (!are_equal(communicator, {&digest_of_names, 1}).front()) return {"(entries)"};
  for (const Entry& entry : entries) digests.push_back(entry.digest);
  std::vector<std::string> result;
  const std::vector<bool> equal = are_equal(communicator, digests);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!equal[i]) result.push_back(entries[i].name);
  }
  return result;
}

}  // namespace

std::vector<std::string> diverged_entries(const Mesh& mesh, const StateTree& state) {
  return diverged_entries(mesh.world(), &mesh.replicate(), state);
}

std::vector<std::string> diverged_entries(Communicator& world, Communicator* replicate,
                                          const StateTree& state) {
  const c10::InferenceMode normal(false);
  const bool has_copies = replicate != nullptr && replicate->size() > 1;
  Entries entries;
  collect(state, "", has_copies, entries);
  std::vector<std::string> names = differing(world, entries.everywhere);
  if (!has_copies) return names;
  const std::vector<std::string> cut = differing(*replicate, entries.on_replicas);
  const int64_t is_found = cut.empty() ? 0 : 1;
  // Another shard's replicas may disagree where ours do not.
  const bool is_everybodys = are_equal(world, {&is_found, 1}).front();
  names.insert(names.end(), cut.begin(), cut.end());
  if (!is_everybodys && cut.empty()) names.emplace_back("(rows of another rank)");
  return names;
}

}  // namespace shardopt::distributed
