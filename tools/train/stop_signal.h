/// SIGTERM and SIGINT as a request that training answers at the end of a step.
#pragma once

namespace shardopt::train {

/// While it lives the first such signal is noted, and a second one ends the process as
/// if it were not handled. One at a time in a process.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// The signal that this process got, or 0.
  [[nodiscard]] static int received() noexcept;
};

}  // namespace shardopt::train
