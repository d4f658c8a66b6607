/// What an object that trains remembers, in a form that anything can store.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/core/shard.h"
#include "shardopt/core/state_value.h"

namespace shardopt {

/// A tensor of a StateTree. It aliases the owner's; copy to keep.
struct StateTensor {
  at::Tensor tensor;
  Spread spread = Spread::kReplicated;
  std::optional<Shard> shard{};
  /// Other names of the same tensor in its model (tied weights).
  std::vector<std::string> aliases{};
};

/// The shape of the whole: that of `tensor` but for the rows if it is cut.
[[nodiscard]] std::vector<int64_t> whole_shape(const StateTensor& state);

/// Bytes of the whole.
[[nodiscard]] int64_t whole_bytes(const StateTensor& state);

/// One object's state: plain values (the same on every rank), tensors by slot, and
/// the states of the objects that it owns, by name.
///
/// `kind` names the type that wrote it and `version` that type's own format; a
/// reader refuses what it does not know. Values and names are those of the object.
struct StateTree {
  std::string kind;
  uint32_t version = 1;
  std::map<std::string, StateValue> values{};
  std::map<std::string, StateTensor> tensors{};
  std::map<std::string, StateTree> children{};

  /// Throws CheckpointError, naming `kind` and the key, if absent or of another type.
  template <typename T>
  [[nodiscard]] const T& value(const std::string& key) const;

  /// Throws CheckpointError, naming `kind` and the name, if absent.
  [[nodiscard]] const StateTree& child(const std::string& name) const;
};

}  // namespace shardopt
