/// The base of every algorithm: an optimizer whose groups carry its options.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "shardopt/core/option.h"
#include "shardopt/optim/optimizer.h"

namespace shardopt::optim {

/// Parameters that share options, the lr among them.
template <typename Options>
struct ParamGroup {
  std::string name;  ///< Unique within the optimizer, e.g. "no_decay".
  std::vector<Parameter> parameters;
  Options options;
};

/// Values by name, without those that are unset.
[[nodiscard]] std::map<std::string, StateValue> recorded(
    std::span<const Option> options);

/// An algorithm supplies its `Options` (a struct with `lr`, `weight_decay` and
/// `validate() const`, and a function `options_of(Options&)`), its name, the names of
/// its slots and its mathematics, `update`.
template <typename Options>
class GroupedOptimizer : public Optimizer {
 protected:
  /// Throws ConfigError if options are out of range, c10::Error as add_group does.
  GroupedOptimizer(std::string kind, std::vector<ParamGroup<Options>> groups,
                   const std::vector<std::string>& slots)
      : Optimizer(std::move(kind)) {
    for (auto& [name, parameters, options] : groups) {
      options.validate();
      add_group(std::move(name), std::move(parameters), slots,
                {.lr = options.lr,
                 .weight_decay = options.weight_decay,
                 .options = recorded(options_of(options))});
      options_.push_back(std::move(options));
    }
  }

  /// Updates all parameters of a group: fused or foreach kernels, and no more than
  /// one collective for them all. `options.lr` is the lr in force.
  virtual void update(GroupTensors& tensors, const Options& options) const = 0;

 private:
  void update_group(std::size_t index, GroupTensors& tensors) final {
    Options in_force = options_[index];
    in_force.lr *= lr_factor();
    update(tensors, in_force);
  }

  std::vector<Options> options_;  // by group
};

}  // namespace shardopt::optim
