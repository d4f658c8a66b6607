/// Calls of MPI under way, and the thread that lets MPI go on with them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mpi_library.h"

namespace shardopt::distributed {

/// One call under way.
///
/// Thread safety: full, but for `advance` and `finish`.
class MpiCall {
 public:
  /// `memory` is what the messages are read from and written to: kept until they are
  /// over.
  MpiCall(std::unique_ptr<MpiRequests> requests, std::shared_ptr<const void> memory)
      : requests_(std::move(requests)), memory_(std::move(memory)) {}

  /// Returns whether all messages have arrived, waiting for `limit` at most. Throws
  /// CommError, saying why, if some never will.
  [[nodiscard]] bool wait_for(std::chrono::milliseconds limit);

  /// Whether nobody reads or writes the memory any more.
  [[nodiscard]] bool is_over();

  /// Calls `action` once they have arrived or failed: at once if they have, else on the
  /// thread that advances the call.
  void when_over(std::function<void()> action);

  /// Lets MPI go on, tells of a failure, and returns whether the call is over: then
  /// `finish` has to follow.
  [[nodiscard]] bool advance();
  /// Tells that the call is over.
  void finish();

 private:
  void settle(bool is_over);

  std::unique_ptr<MpiRequests> requests_;  // by whoever advances
  std::shared_ptr<const void> memory_;     // by whoever advances

  std::mutex mutex_;
  std::condition_variable settled_;
  bool is_over_ = false;                        // by mutex_
  std::string failure_;                         // by mutex_
  std::vector<std::function<void()>> actions_;  // by mutex_
};

/// MPI moves messages only within calls of MPI: a thread makes them, so that messages
/// move beside whatever the other threads compute. It tests at once for as long as
/// something moves, then less and less often, and not at all while nothing is under
/// way.
///
/// Thread safety: full.
class MpiProgress {
 public:
  MpiProgress();
  /// Waits neither for calls under way nor, beyond a moment, for a task: its thread
  /// then stays behind until the process ends.
  ~MpiProgress();
  MpiProgress(const MpiProgress&) = delete;
  MpiProgress& operator=(const MpiProgress&) = delete;

  /// Sees to it that the call is over in the end. Arguments: see MpiCall.
  [[nodiscard]] std::shared_ptr<MpiCall> advance(std::unique_ptr<MpiRequests> requests,
                                                 std::shared_ptr<const void> memory);

  /// Runs `task`, which may wait in MPI, on the thread; nothing is tested meanwhile.
  [[nodiscard]] std::future<void> run(std::function<void()> task);

  /// Whether nothing is under way.
  [[nodiscard]] bool is_idle();

 private:
  class Loop;
  std::shared_ptr<Loop> loop_;  // Shared with the thread, which may stay behind.
  std::thread thread_;
};

}  // namespace shardopt::distributed
