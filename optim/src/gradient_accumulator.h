/// Gradients of several micro-steps, brought together for one update.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/core/parameter.h"
#include "shardopt/core/state_tree.h"

namespace shardopt::optim {

/// The mean over `steps` micro-steps, a missing gradient counting as zeros; of the
/// parameters in `overwritten` the elementwise maximum of those there are.
///
/// Elementwise: no communication, whatever the cut. Thread safety: none.
class GradientAccumulator {
 public:
  GradientAccumulator(const std::vector<Parameter>& parameters,
                      const std::set<std::string>& overwritten, int64_t steps);

  [[nodiscard]] int64_t steps() const noexcept { return steps_; }

  /// Takes one micro-step's gradients. True if it was the window's last: the gradients
  /// are then the window's, and the next one starts.
  [[nodiscard]] bool add();
  /// Starts the window again.
  void drop();

  /// Value `position`, the micro-steps taken; a child per parameter, by name: slot
  /// "gathered", cut as its rows are, and value `gradients`, how many are in it.
  [[nodiscard]] StateTree state() const;
  /// Throws CheckpointError if `tree` is not a state of such an accumulator.
  void check_state(const StateTree& tree) const;
  void load_state(const StateTree& tree);

 private:
  struct Entry {
    Parameter parameter;
    bool is_overwritten;
    at::Tensor gathered;    // [*rows], sum or maximum; zeros with no gradients
    int64_t gradients = 0;  // in it
  };

  static void gather(Entry& entry);
  void hand_out(Entry& entry) const;

  std::vector<Entry> entries_;
  int64_t steps_;
  int64_t position_ = 0;
};

}  // namespace shardopt::optim
