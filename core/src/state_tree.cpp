#include "shardopt/core/state_tree.h"

#include "shardopt/core/error.h"

namespace shardopt {

std::vector<int64_t> whole_shape(const StateTensor& state) {
  std::vector<int64_t> shape = state.tensor.sizes().vec();
  if (state.shard && !shape.empty()) shape.front() = state.shard->global_rows();
  return shape;
}

int64_t whole_bytes(const StateTensor& state) {
  auto bytes = static_cast<int64_t>(state.tensor.element_size());
  for (const int64_t size : whole_shape(state)) bytes *= size;
  return bytes;
}

template <typename T>
const T& StateTree::value(const std::string& key) const {
  const auto it = values.find(key);
  if (it == values.end()) {
    SHARDOPT_THROW(CheckpointError, "state of '", kind, "' has no value '", key, "'");
  }
  const T* typed = std::get_if<T>(&it->second);
  if (typed == nullptr) {
    SHARDOPT_THROW(CheckpointError, "value '", key, "' of '", kind,
                   "' has another type than expected");
  }
  return *typed;
}

template const bool& StateTree::value(const std::string&) const;
template const int64_t& StateTree::value(const std::string&) const;
template const uint64_t& StateTree::value(const std::string&) const;
template const double& StateTree::value(const std::string&) const;
template const std::string& StateTree::value(const std::string&) const;
template const std::vector<double>& StateTree::value(const std::string&) const;

const StateTree& StateTree::child(const std::string& name) const {
  const auto it = children.find(name);
  if (it == children.end()) {
    SHARDOPT_THROW(CheckpointError, "state of '", kind, "' has no part '", name, "'");
  }
  return it->second;
}

}  // namespace shardopt
