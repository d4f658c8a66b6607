/// A collective of c10d under way.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/csrc/distributed/c10d/Work.hpp>

#include "shardopt/distributed/communicator.h"

namespace shardopt::distributed {

/// What a call consists of. Written by whoever launches it, then by who waits.
struct C10dCall {
  std::string name;                 ///< "all_gather #12 on rank 1 of 3"
  std::vector<at::Tensor> tensors;  ///< c10d's works keep none alive.
  std::vector<c10::intrusive_ptr<::c10d::Work>> parts{};
  std::function<void()> finish{};  ///< What is left to do when the parts are over.
};

/// A call with its launch: ready once all parts are under way, or with what it threw.
struct LaunchedCall {
  std::shared_ptr<C10dCall> call;  ///< Shared with the launch.
  std::future<void> launched;

  /// Whether nobody writes or reads the call any more. Does not wait.
  [[nodiscard]] bool is_over() const;
};

/// Calls whose Work was destroyed before its `wait` returned: they stay alive here,
/// until they are over. Shared by a communicator and its works.
class AbandonedCalls {
 public:
  void add(LaunchedCall call) { calls_.push_back(std::move(call)); }
  void drop_finished();

 private:
  std::vector<LaunchedCall> calls_;
};

class C10dWork final : public Work {
 public:
  C10dWork(LaunchedCall started, std::shared_ptr<AbandonedCalls> abandoned)
      : started_(std::move(started)), abandoned_(std::move(abandoned)) {}
  ~C10dWork() override;

 private:
  void do_wait() override;
  void complete();

  LaunchedCall started_;                       // Its call is null once complete.
  std::shared_ptr<AbandonedCalls> abandoned_;  // Shared with the communicator.
  std::string failure_;
};

}  // namespace shardopt::distributed
