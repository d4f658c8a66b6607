/// The base of every algorithm: an optimizer whose groups carry its options.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "shardopt/core/option.h"
#include "shardopt/optim/optimizer.h"
#include "shardopt/optim/scalar_sums.h"

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

/// An algorithm supplies its `Options` (a struct with `lr`, `weight_decay`, `rules` and
/// `validate() const`, and a function `options_of(Options&)`), its name, its slots and
/// its mathematics, `update`.
template <typename Options>
class GroupedOptimizer : public Optimizer {
 protected:
  using SlotsOf = std::function<std::vector<Slot>(const Options&)>;

  /// Slots are the same for all groups. Throws ConfigError if options are out of range,
  /// c10::Error as add_group does.
  GroupedOptimizer(std::string kind, std::vector<ParamGroup<Options>> groups,
                   const SlotsOf& slots_of,
                   const std::map<std::string, double>& progress = {})
      : Optimizer(std::move(kind)) {
    for (auto& [name, parameters, options] : groups) {
      if constexpr (requires { options.validate(this->kind()); }) {
        options.validate(this->kind());
      } else {
        options.validate();
      }
      add_group(std::move(name), std::move(parameters), slots_of(options),
                {.lr = options.lr,
                 .weight_decay = options.weight_decay,
                 .options = recorded(options_of(options)),
                 .progress = progress});
      options_.push_back(std::move(options));
    }
    in_force_ = options_;
  }

  /// Updates all parameters of a group by fused or foreach kernels, up to the point
  /// where it needs sums over whole tensors; what follows is handed to `sums` (see
  /// with_caution and take_step). `options.lr` and `rules.decay_lr` are those in force.
  /// All three arguments live until the optimizer's step ends.
  virtual void update(GroupTensors& tensors, const Options& options,
                      ScalarSums& sums) const = 0;

  [[nodiscard]] at::Tensor evaluation_rows(std::size_t, const at::Tensor&,
                                           const Slots&) const override {
    return {};
  }

  /// Options of a group, before any schedule.
  [[nodiscard]] const Options& options(std::size_t group) const {
    return options_.at(group);
  }

 private:
  void update_group(std::size_t index, GroupTensors& tensors, ScalarSums& sums) final {
    Options& in_force = in_force_[index];
    in_force.lr = options_[index].lr * lr_factor();
    std::optional<double>& decay_lr = in_force.rules.decay_lr;
    if (decay_lr) decay_lr = *options_[index].rules.decay_lr * lr_factor();
    update(tensors, in_force, sums);
  }

  std::vector<Options> options_;   // By group.
  std::vector<Options> in_force_;  // By group, in the step under way.
};

}  // namespace shardopt::optim
