/// A collective over a transport, under way.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "buffer_pool.h"
#include "patience.h"
#include "shardopt/distributed/communicator.h"
#include "transport.h"

namespace shardopt::distributed {

/// What a call consists of. Written by whoever launches it, then by who waits.
struct TransportCall {
  PeerCall id;
  std::vector<at::Tensor> tensors;    ///< Parts keep none alive.
  std::vector<at::Tensor> buffers{};  ///< The same, of the group's pool.
  std::vector<std::unique_ptr<Part>> parts{};
  std::function<void()> finish{};  ///< What is left to do when the parts are over.
};

/// A call with its launch: ready once all parts are under way, or with what it threw.
struct LaunchedCall {
  std::shared_ptr<TransportCall> call;  ///< Shared with the launch.
  std::future<void> launched;

  /// Whether nobody writes or reads the call any more. Does not wait.
  [[nodiscard]] bool is_over() const;
};

/// What a communicator shares with its works.
struct TransportGroup {
  GroupContext context;
  bool is_stream_ordered = false;    ///< See Transport.
  std::optional<BufferPool> pool{};  ///< Made with the first buffer, on its device.
  /// Calls whose Work was destroyed before its `wait` returned: they stay alive here,
  /// until they are over.
  std::vector<LaunchedCall> abandoned{};
  /// Calls on a stream that were waited for: whether they fail is not known yet.
  std::vector<LaunchedCall> unconfirmed{};
  /// Why a call failed; the group is of no use any more.
  std::string failure{};

  /// Lets go of calls that are over; notes it if one of the latter has failed.
  void drop_finished();
};

class TransportWork final : public Work {
 public:
  TransportWork(LaunchedCall started, std::shared_ptr<TransportGroup> group)
      : started_(std::move(started)), group_(std::move(group)) {}
  ~TransportWork() override;

 private:
  void do_wait() override;
  void complete();
  [[nodiscard]] std::string explain(std::string cause) const;

  LaunchedCall started_;                   // Its call is null once complete.
  std::shared_ptr<TransportGroup> group_;  // Shared with the communicator.
  std::string failure_;
};

/// Waits for `part` as long as the group's context allows, from `start` on.
void wait_for_part(Part& part, const TransportGroup& group, const PeerCall& call,
                   std::chrono::steady_clock::time_point start);

}  // namespace shardopt::distributed
