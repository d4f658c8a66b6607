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

namespace shardopt::distributed {
class Communicator;
}

namespace shardopt::optim {

class ScalarSums;

/// What a step does with a parameter that has no gradient.
enum class MissingGradient : uint8_t {
  kSkip,  ///< Nothing changes.
  kZero   ///< As if it were zero: moments and weights decay.
};

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

  /// Updates each group by one call, and every nested optimizer. A parameter without a
  /// gradient is skipped whole, with no decay, no state and no count, unless
  /// `set_missing_gradient` says otherwise. Throws c10::Error, before anything changed,
  /// if a gradient has another shape, dtype or device than its rows, or is sparse, or
  /// at the evaluation point; and if parameters are cut and an algorithm needs sums
  /// over ranks, but none were set: a mistake of construction, after which it is of no
  /// use. Collective where sums are needed: one all_reduce for each round of them,
  /// whatever the number of groups.
  void step();

  /// The ranks that parameters are cut over, for sums over whole tensors; outlives
  /// this.
  void set_shard_ranks(distributed::Communicator& shard) { shard_ranks_ = &shard; }

  /// What a parameter without a gradient gets, in those nested so far too.
  void set_missing_gradient(MissingGradient policy);

  /// Weights become those to evaluate and export where an algorithm tells them from
  /// those that it trains (Schedule-Free), nested optimizers' too; and back, to the
  /// same bits. Local. A call for the point at which it is changes nothing.
  void use_evaluation_point();
  void use_training_point();
  [[nodiscard]] bool is_at_evaluation_point() const noexcept { return is_evaluating_; }

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

  /// kind; values `step`, `lr_factor` and, at the evaluation point, `evaluating`;
  /// children `groups` (by name, each with its
  /// options), `parameters` (by name: slots, step, group), `progress` (by group, where
  /// an algorithm counts by group) and nested optimizers. Tensors alias the
  /// optimizer's; copy to keep.
  [[nodiscard]] StateTree state() const;

  /// Throws CheckpointError with every difference if `tree`, whose tensors may be of
  /// device meta and whole, is not a state of this optimizer: other groups, parameters
  /// in other groups, other slots or nested optimizers. The order of groups and
  /// parameters does not matter.
  void check_state(const StateTree& tree) const;

  /// Takes over what `state` returned, so that training goes on as if it had never
  /// stopped; goes to the point at which it was saved. Options are not taken over: this
  /// object's hold. Throws as check_state does, and then changes nothing.
  void load_state(const StateTree& tree);

 protected:
  explicit Optimizer(std::string kind) : kind_(std::move(kind)) {}

  /// Adds a group and the state of all its parameters, empty shards too: each slot
  /// starts as zeros. Throws c10::Error if a name is taken, rows and Shard differ, or
  /// rows are not fp32 or fp64, contiguous, and of one dtype and device in the group.
  void add_group(std::string name, std::vector<Parameter> parameters,
                 const std::vector<Slot>& slots, GroupSettings settings);

  [[nodiscard]] double lr_factor() const noexcept { return lr_factor_; }

  using Slots = std::map<std::string, at::Tensor>;

  /// Weights to evaluate of a parameter that has been updated, [*rows]; an undefined
  /// tensor where they are those that train.
  [[nodiscard]] virtual at::Tensor evaluation_rows(std::size_t group,
                                                   const at::Tensor& rows,
                                                   const Slots& slots) const = 0;

 private:
  struct Entry {
    Parameter parameter;
    Slots slots{};
    int64_t steps = 0;
    int64_t entries = 0;         // Of the whole tensor.
    at::Tensor training_rows{};  // At the evaluation point, if they differ.
  };
  struct Group {
    std::string name;
    GroupSettings settings;
    std::vector<Entry> entries;
    GroupProgress progress;
    GroupTensors under_way{};  // In a step.
  };

  /// Updates `tensors`, never empty, of the group that was added as the `index`-th.
  virtual void update_group(std::size_t index, GroupTensors& tensors,
                            ScalarSums& sums) = 0;

  void claim(const std::string& parameter_name);
  void check_gradients() const;
  void begin_update(ScalarSums& sums);
  void end_update();
  [[nodiscard]] bool is_cut() const;
  [[nodiscard]] const Entry* find(std::string_view parameter) const;
  [[nodiscard]] StateTree group_state() const;
  [[nodiscard]] StateTree parameter_state() const;
  void copy_state(const StateTree& tree);
  [[nodiscard]] StateTree progress_state() const;
  [[nodiscard]] StateTree state_like(const StateTree& tree) const;
  void load_progress(const StateTree& tree);
  void gather_tensors(Group& group) const;

  std::string kind_;
  std::vector<Group> groups_;
  std::map<std::string, std::unique_ptr<Optimizer>, std::less<>> children_;
  std::set<std::string> parameter_names_;  // nested optimizers' too
  double lr_factor_ = 1.0;
  int64_t step_count_ = 0;
  distributed::Communicator* shard_ranks_ = nullptr;
  MissingGradient missing_gradient_ = MissingGradient::kSkip;
  bool is_evaluating_ = false;
};

}  // namespace shardopt::optim
