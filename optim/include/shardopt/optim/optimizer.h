/// What a training loop, a schedule and a checkpoint know of any optimizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/core/parameter.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/optim/group.h"

namespace shardopt::optim {

/// Updates named groups of parameters in place from their gradients.
///
/// The loop, groups, names, step counts and nested optimizers are here; algorithms
/// derive from GroupedOptimizer. Collective contract: ranks own the same parameters
/// in the same order and agree on which of them have a gradient.
///
/// Thread safety: none. Ownership: tensors are shared with the model's units.
class Optimizer {
 public:
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  virtual ~Optimizer() = default;

  /// Updates each group by one call, then every nested optimizer. A parameter
  /// without a gradient is skipped whole: no decay, no state, no count. Throws
  /// c10::Error, before anything changed, if a gradient has another shape, dtype or
  /// device than its rows, or is sparse.
  void step();

  /// Drops the gradient of every parameter, nested optimizers' too.
  void zero_grad();

  /// From now on every group's lr is that of its options times `factor`, in nested
  /// optimizers too. Throws c10::Error unless `factor` is finite and >= 0.
  void set_lr_factor(double factor);

  /// Makes `child` a part of this optimizer, with its lr factor. Throws c10::Error if
  /// the name, or one of the child's parameters, is here already.
  void add_child(std::string name, std::unique_ptr<Optimizer> child);
  [[nodiscard]] bool has_child(std::string_view name) const;

  /// The algorithm's name.
  [[nodiscard]] const std::string& kind() const noexcept { return kind_; }

  /// Number of completed calls to `step`.
  [[nodiscard]] int64_t step_count() const noexcept { return step_count_; }

  /// Number of updates of one parameter, nested optimizers' too. Throws c10::Error
  /// if there is none of this name.
  [[nodiscard]] int64_t step_count(std::string_view parameter) const;

  /// In order, nested optimizers' last.
  [[nodiscard]] std::vector<GroupSummary> groups() const;

  /// kind; values `step` and `lr_factor`; children `groups` (by name, each with its
  /// options), `parameters` (by name: slots, step, group) and nested optimizers.
  /// Tensors alias the optimizer's; copy to keep.
  [[nodiscard]] StateTree state() const;

  /// Throws CheckpointError with every difference if `tree`, whose tensors may be of
  /// device meta and whole, is not a state of this optimizer: other groups, parameters
  /// in other groups, other slots or nested optimizers. The order of groups and
  /// parameters does not matter.
  void check_state(const StateTree& tree) const;

  /// Takes over what `state` returned, so that training goes on as if it had never
  /// stopped. Options are not taken over: this object's hold. Throws as check_state
  /// does, and then changes nothing.
  void load_state(const StateTree& tree);

 protected:
  explicit Optimizer(std::string kind) : kind_(std::move(kind)) {}

  /// Adds a group and the state of all its parameters, empty shards too: each slot
  /// starts as zeros. Throws c10::Error if a name is taken, rows and Shard differ, or
  /// rows are not fp32 or fp64, contiguous, and of one dtype and device in the group.
  void add_group(std::string name, std::vector<Parameter> parameters,
                 const std::vector<std::string>& slots, GroupSettings settings);

  [[nodiscard]] double lr_factor() const noexcept { return lr_factor_; }

 private:
  struct Entry {
    Parameter parameter;
    std::map<std::string, at::Tensor> slots;  // by name, each [*rows]
    int64_t steps = 0;
  };
  struct Group {
    std::string name;
    GroupSettings settings;
    std::vector<Entry> entries;
  };

  /// Updates `tensors`, never empty, of the group that was added as the `index`-th.
  virtual void update_group(std::size_t index, GroupTensors& tensors) = 0;

  void claim(const std::string& parameter_name);
  void check_gradients() const;
  void update_all();
  [[nodiscard]] const Entry* find(std::string_view parameter) const;
  [[nodiscard]] StateTree group_state() const;
  [[nodiscard]] StateTree parameter_state() const;
  void copy_state(const StateTree& tree);
  static GroupTensors with_gradient(Group& group);

  std::string kind_;
  std::vector<Group> groups_;
  std::map<std::string, std::unique_ptr<Optimizer>, std::less<>> children_;
  std::set<std::string> parameter_names_;  // nested optimizers' too
  double lr_factor_ = 1.0;
  int64_t step_count_ = 0;
};

}  // namespace shardopt::optim
