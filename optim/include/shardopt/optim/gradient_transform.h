/// What changes gradients between backward and the optimizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/core/parameter.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/optim/group.h"

namespace shardopt::optim {

/// What one call works on: lists of one length and order, with an entry for each
/// parameter that has a gradient. Entries may have no rows.
struct GradientTensors {
  std::vector<at::Tensor> rows;                          ///< Not to be changed.
  std::vector<at::Tensor> grads;                         ///< [*rows], in place.
  std::map<std::string, std::vector<at::Tensor>> slots;  ///< By name; in place.
  std::vector<int64_t> steps;    ///< Gradients of each parameter so far, this included.
  std::vector<int64_t> entries;  ///< Of each whole tensor, over all its shard ranks.
};

/// Changes the gradients of its parameters in place.
///
/// Collective contract: as Optimizer's; gradients are those of the whole batch, the
/// same on every copy of the model, so that sums go over the shard ranks only. The
/// result does not depend on the cut, but for the rounding of such sums.
///
/// Thread safety: none. Ownership: tensors are shared with the model's units.
class GradientTransform {
 public:
  GradientTransform(const GradientTransform&) = delete;
  GradientTransform& operator=(const GradientTransform&) = delete;
  virtual ~GradientTransform() = default;

  /// One step. A parameter without a gradient is left out, its state untouched.
  void apply();

  /// The transform's name.
  [[nodiscard]] const std::string& kind() const noexcept { return kind_; }

  /// Whether results depend on earlier gradients.
  [[nodiscard]] bool has_state() const noexcept { return !slots_.empty(); }

  /// kind; with state, a child per parameter, by name: slots, cut as its rows are, and
  /// value `step`. Tensors alias the transform's; copy to keep.
  [[nodiscard]] StateTree state() const;

  /// Throws CheckpointError with every difference if `tree`, whose tensors may be of
  /// device meta and whole, is not a state of this transform.
  void check_state(const StateTree& tree) const;

  /// Takes over what `state` returned. Throws as check_state does, and then changes
  /// nothing.
  void load_state(const StateTree& tree);

 protected:
  /// The state of all parameters, empty shards too, starts as zeros.
  GradientTransform(std::string kind, std::vector<Parameter> parameters,
                    std::vector<Slot> slots);

  [[nodiscard]] const std::vector<Parameter>& parameters() const noexcept {
    return parameters_;
  }

 private:
  struct ParameterState {
    std::map<std::string, at::Tensor> slots;  // by name, each [rows, *]
    int64_t steps = 0;
  };

  /// `tensors` is never empty.
  virtual void transform(GradientTensors& tensors) = 0;

  [[nodiscard]] GradientTensors with_gradient();

  std::string kind_;
  std::vector<Parameter> parameters_;
  std::vector<Slot> slots_;
  std::vector<ParameterState> states_;  // by parameter
};

}  // namespace shardopt::optim
