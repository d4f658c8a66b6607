/// How long a rank waits for others.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace shardopt::distributed {

/// The timeout of every wait in a job, which can be shortened while waits go on.
///
/// Thread safety: full; `shorten` may be called in a signal handler.
class WaitLimit {
 public:
  using Clock = std::chrono::steady_clock;

  explicit WaitLimit(std::chrono::milliseconds timeout) noexcept : timeout_(timeout) {}

  [[nodiscard]] std::chrono::milliseconds timeout() const noexcept { return timeout_; }

  /// From now on no wait lasts longer than `limit`, those under way included. The first
  /// call counts.
  void shorten(std::chrono::milliseconds limit) noexcept;

  /// When a wait that began at `start` ends unsuccessfully, as things stand.
  [[nodiscard]] Clock::time_point deadline(Clock::time_point start) const noexcept;

  /// How long such a wait has lasted by then.
  [[nodiscard]] std::chrono::milliseconds length(
      Clock::time_point start) const noexcept;

 private:
  const std::chrono::milliseconds timeout_;
  std::atomic<int64_t> shortened_at_ns_{0};  // of Clock; 0: not shortened
  std::atomic<int64_t> short_ms_{0};
  static_assert(std::atomic<int64_t>::is_always_lock_free);
};

}  // namespace shardopt::distributed
