/// SIGTERM and SIGINT as a request that training answers at the end of a step.
#pragma once

namespace shardopt::distributed {
class WaitLimit;
}

namespace shardopt::train {

/// While it lives the first such signal is noted, and a second one ends the process as
/// if it were not handled. From SIGTERM on no wait of `limit` lasts longer than 5 s:
/// launchers kill what has not ended 30 s later. One at a time in a process; `limit`
/// outlives it.
class StopSignal {
 public:
  explicit StopSignal(distributed::WaitLimit& limit);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// The signal that this process got, or 0.
  [[nodiscard]] static int received() noexcept;
};

}  // namespace shardopt::train
