/// What the ranks of a thread communicator share: the calls under way.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace shardopt::distributed {

/// One rank's part in a call.
struct Contribution {
  /// Kind, dtype, shape, cut, ...: what all ranks must agree on, in words.
  std::string signature{};
  at::Tensor input{};
  at::Tensor output{};
  std::vector<int64_t> input_rows{};   ///< all_to_all: by destination.
  std::vector<int64_t> output_rows{};  ///< all_to_all: by source.
};

/// Does a collective for all ranks at once; entry r is of rank r.
using Execution = std::function<void(std::span<Contribution>)>;

/// A call that ranks join one by one. Guarded by its group's lock.
struct GroupCall {
  std::vector<Contribution> parts{};  // [size]
  std::vector<bool> joined{};         // [size]
  bool is_over = false;
  std::string failure{};  ///< Why it will never complete; "" if it did.
};

/// Thread safety: full; its communicators' threads call it at the same time.
class ThreadGroup {
 public:
  ThreadGroup(int size, std::chrono::milliseconds timeout);

  [[nodiscard]] int size() const noexcept { return size_; }

  /// Joins call number `sequence`. The last rank to join executes it for all, having
  /// checked that the signatures agree; if they do not, it fails for all.
  [[nodiscard]] std::shared_ptr<GroupCall> join(int64_t sequence, int rank,
                                                Contribution part,
                                                const Execution& execute);

  /// Returns why the call failed, "" if it is complete. One that has not completed
  /// within the timeout fails, for all ranks.
  [[nodiscard]] std::string wait(GroupCall& call);

  /// No call that is open, or comes, can complete without `rank`: they fail now.
  void leave(int rank);

 private:
  void execute_locked(GroupCall& call, const Execution& execute);
  void fail_locked(const std::string& why);

  const int size_;
  const std::chrono::milliseconds timeout_;
  std::mutex mutex_;
  std::condition_variable call_over_;
  std::map<int64_t, std::shared_ptr<GroupCall>> open_calls_;  // by mutex_
  std::string failure_;  // by mutex_; why the group is unusable, "" while it is not
};

}  // namespace shardopt::distributed
