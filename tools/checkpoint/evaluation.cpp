#include "checkpoint/evaluation.h"

#include <optional>

#include <ATen/ATen.h>

#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/inspect.h"

namespace shardopt::checkpoint_tool {
namespace {

using namespace shardopt::checkpoint;

constexpr char kAverage[] = "average";
constexpr char kOptimizer[] = "optimizer";

const StoredState* find(const StoredState& state, const std::string& child) {
  const auto it = state.children.find(child);
  return it == state.children.end() ? nullptr : &it->second;
}

at::Tensor read(const OpenStep& step, const std::string& stored) {
  return read_tensor(step.folder, step.manifest, stored, posix_file_system());
}

template <typename T>
T value(const StoredState& state, const std::string& key) {
  const auto it = state.values.find(key);
  const T* typed = it == state.values.end() ? nullptr : std::get_if<T>(&it->second);
  if (typed == nullptr) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kMismatch, "the state of '", state.kind,
                             "' has no value '", key, "' of the type that is expected");
  }
  return *typed;
}

// The average of a weight, in a step that has been averaged.
const TensorReference* find_average(const OpenStep& step, const std::string& name) {
  const StoredState* average = find(step.manifest.state, kAverage);
  if (average == nullptr || value<int64_t>(*average, "updates") == 0) return nullptr;
  const StoredState* own = find(*average, name);
  if (own == nullptr) return nullptr;
  const auto it = own->tensors.find(kAverage);
  return it == own->tensors.end() ? nullptr : &it->second;
}

// A parameter that a Schedule-Free optimizer has updated.
struct FreePoint {
  const TensorReference& z;
  double beta1;  // Share of the average in the weights that train.
};

std::optional<FreePoint> point_of(const StoredState& optimizer,
                                  const std::string& name) {
  const StoredState* parameters = find(optimizer, "parameters");
  const StoredState* own = parameters == nullptr ? nullptr : find(*parameters, name);
  if (own == nullptr || !own->tensors.contains("z")) return std::nullopt;
  if (value<int64_t>(*own, "step") == 0) return std::nullopt;
  if (optimizer.values.contains("evaluating")) return std::nullopt;  // It is x already.
  const StoredState* groups = find(optimizer, "groups");
  const StoredState* options =
      groups == nullptr ? nullptr : find(*groups, value<std::string>(*own, "group"));
  if (options == nullptr) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kMismatch, "the group of '", name,
                             "' is not recorded");
  }
  const bool is_sgd = optimizer.kind == "schedule_free_sgd";
  return FreePoint{own->tensors.at("z"),
                   value<double>(*options, is_sgd ? "momentum" : "beta1")};
}

// In this optimizer or one nested in it.
std::optional<FreePoint> find_point(const StoredState& optimizer,
                                    const std::string& name) {
  if (auto point = point_of(optimizer, name)) return point;
  for (const auto& [part, child] : optimizer.children) {
    if (part == "parameters" || part == "groups" || part == "progress") continue;
    if (auto point = find_point(child, name)) return point;
  }
  return std::nullopt;
}

}  // namespace

at::Tensor evaluation_weight(const OpenStep& step, const std::string& name) {
  if (const TensorReference* average = find_average(step, name)) {
    return read(step, average->tensor);
  }
  at::Tensor weight = read(step, name);
  const StoredState* optimizer = find(step.manifest.state, kOptimizer);
  if (optimizer == nullptr) return weight;
  const auto point = find_point(*optimizer, name);
  if (!point) return weight;
  return weight.lerp(read(step, point->z.tensor), 1.0 - 1.0 / point->beta1);
}

}  // namespace shardopt::checkpoint_tool
