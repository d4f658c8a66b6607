#include "flat_state.h"

#include <algorithm>
#include <set>
#include <utility>

#include <ATen/ops/empty.h>
#include <c10/core/Layout.h>
#include <c10/core/TensorOptions.h>

#include "manifest_codec.h"
#include "paths.h"
#include "safetensors_dtypes.h"
#include "shardopt/checkpoint/checkpoint_failure.h"

namespace shardopt::checkpoint {
namespace {

constexpr char kModel[] = "model";

// Walks the tree and collects what it holds; `path_` is where it is.
class Flattening {
 public:
  FlatState run(const StateTree& root) {
    FlatState flat{.state = part(root, "", 0), .tensors = std::move(tensors_)};
    std::ranges::sort(flat.tensors, {}, &FlatTensor::name);
    return flat;
  }

 private:
  StoredState part(const StateTree& tree, const std::string& path, int depth) {
    if (depth > kMaxStateDepth) {
      fail(path, c10::str("parts are nested deeper than ", kMaxStateDepth));
    }
    StoredState stored{
        .kind = tree.kind, .version = tree.version, .values = tree.values};
    for (const auto& [key, value] : tree.values) check_text(path, key, value);
    for (const auto& [slot, tensor] : tree.tensors) {
      stored.tensors.emplace(slot, add_tensor(path, slot, tensor));
    }
    for (const auto& [name, child] : tree.children) {
      if (name.empty() || name.find('/') != std::string::npos || !is_utf8(name)) {
        fail(path, "a part is called '" + name + "'; allowed: UTF-8 without '/'");
      }
      stored.children.emplace(name, part(child, path + name + "/", depth + 1));
    }
    return stored;
  }

  static void check_text(const std::string& path, const std::string& key,
                         const StateValue& value) {
    const auto* text = std::get_if<std::string>(&value);
    if (!is_utf8(key) || (text != nullptr && !is_utf8(*text))) {
      fail(path, "value '" + key + "' is no UTF-8");
    }
  }

  TensorReference add_tensor(const std::string& path, const std::string& slot,
                             const StateTensor& state) {
    const bool is_model = path == std::string(kModel) + "/";
    const std::string name = is_model ? slot : path + slot;
    check_name(path + slot, slot, name, state);
    check_tensor(path + slot, state);
    FlatTensor flat{.name = name,
                    .spread = state.spread,
                    .local = state.tensor.detach(),
                    .shape = state.tensor.sizes().vec(),
                    .aliases = state.aliases};
    if (state.spread == Spread::kCut) {
      flat.offsets = state.shard->offsets();
      flat.shape.front() = state.shard->global_rows();
    }
    tensors_.push_back(std::move(flat));
    return {name, state.spread};
  }

  void check_name(const std::string& entry, const std::string& slot,
                  const std::string& name, const StateTensor& state) {
    const std::string problem = problem_of_tensor_name(name);
    if (!problem.empty()) fail(entry, problem);
    if (slot.find('/') != std::string::npos) fail(entry, "its name holds '/'");
    if (state.spread == Spread::kPerRank && name.find('@') != std::string::npos) {
      fail(entry, "the name of a per-rank tensor holds '@'");
    }
    if (!names_.insert(name).second) fail(entry, "its name is taken");
    for (const std::string& alias : state.aliases) {
      const std::string alias_problem = problem_of_tensor_name(alias);
      if (!alias_problem.empty()) fail(entry, "alias: " + alias_problem);
      if (!names_.insert(alias).second) fail(entry, "alias " + alias + " is taken");
    }
  }

  static void check_tensor(const std::string& entry, const StateTensor& state) {
    const at::Tensor& tensor = state.tensor;
    if (!tensor.defined()) fail(entry, "the tensor is undefined");
    if (tensor.layout() != at::kStrided || tensor.is_meta()) {
      fail(entry, "the tensor is not dense, or has no data");
    }
    if (!dtype_name(tensor.scalar_type()).has_value()) {
      fail(entry, c10::str("its dtype is ", tensor.scalar_type(),
                           "; allowed: ", dtype_names()));
    }
    if (state.spread != Spread::kCut) return;
    if (!state.shard.has_value()) fail(entry, "it is cut, but has no shard");
    if (tensor.dim() == 0 || tensor.size(0) != state.shard->local_rows()) {
      fail(entry, c10::str("it is ", tensor.sizes(), ", but its shard has ",
                           state.shard->local_rows(), " rows here"));
    }
  }

  [[noreturn]] static void fail(const std::string& entry, const std::string& problem) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kMismatch, "state '",
                             entry.empty() ? "(root)" : entry, "': ", problem);
  }

  std::vector<FlatTensor> tensors_;
  std::set<std::string> names_;
};

// Rebuilds one part; tensors are described, not read.
class Rebuilding {
 public:
  Rebuilding(const Manifest& manifest, int rank)
      : manifest_(manifest), rank_(rank < manifest.mesh.world_size ? rank : 0) {}

  StateTree part(const StoredState& stored) const {
    StateTree tree{
        .kind = stored.kind, .version = stored.version, .values = stored.values};
    for (const auto& [slot, reference] : stored.tensors) {
      tree.tensors.emplace(slot, describe(reference));
    }
    for (const auto& [name, child] : stored.children) {
      tree.children.emplace(name, part(child));
    }
    return tree;
  }

 private:
  StateTensor describe(const TensorReference& reference) const {
    const std::string name = reference.spread == Spread::kPerRank
                                 ? per_rank_name(reference.tensor, rank_)
                                 : reference.tensor;
    const StoredTensor* stored = find_tensor(manifest_, name);
    TORCH_INTERNAL_ASSERT(stored != nullptr);  // check_manifest has seen to it.
    const auto options =
        at::TensorOptions().dtype(dtype_named(stored->dtype).value()).device(at::kMeta);
    StateTensor tensor{.tensor = at::empty(stored->shape, options),
                       .spread = reference.spread,
                       .aliases = stored->aliases};
    if (reference.spread == Spread::kCut) {
      tensor.shard = Shard({0, stored->shape.front()}, 0);
    }
    return tensor;
  }

  const Manifest& manifest_;
  const int rank_;
};

}  // namespace

FlatState flatten(const StateTree& tree) { return Flattening().run(tree); }

StateTree unflatten(const Manifest& manifest, int rank) {
  return Rebuilding(manifest, rank).part(manifest.state);
}

}  // namespace shardopt::checkpoint
