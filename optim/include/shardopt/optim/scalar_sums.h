/// Sums over shard ranks of scalars of many tensors, in one collective.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace shardopt::distributed {
class Communicator;
}

namespace shardopt::optim {

/// Where algorithms hand in each rank's shares of sums over whole tensors, and what is
/// to be done once they are known. All shares of one round, of every group and nested
/// optimizer, travel together.
///
/// Collective contract: ranks add as many shares in the same order, and settle.
class ScalarSums {
 public:
  using Then = std::function<void(std::span<const double> totals)>;

  /// `communicator` outlives this; null where tensors are not cut.
  explicit ScalarSums(distributed::Communicator* communicator)
      : communicator_(communicator) {}

  /// `shares` is [n], fp64, of this rank's rows, zeros where it has none. `then` gets
  /// the n sums, and may add to the next round.
  void add(at::Tensor shares, Then then);

  [[nodiscard]] bool is_empty() const noexcept { return pending_.empty(); }

  /// Rounds of one all_reduce each, until nothing is left. None for one rank.
  void settle();

 private:
  struct Pending {
    at::Tensor shares;
    Then then;
  };

  distributed::Communicator* communicator_;
  std::vector<Pending> pending_;
};

}  // namespace shardopt::optim
