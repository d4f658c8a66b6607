/// When a rank did what, for a picture.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace shardopt::distributed {

/// Spans of time of one rank, each on a track ("compute", "shard", "reduce", ...).
/// Records nothing until `start`.
///
/// Thread safety: full.
class Timeline {
 public:
  struct Span {
    std::string track;
    std::string name;
    int64_t begin_us;  ///< Since `start`.
    int64_t end_us;
  };

  /// Time zero; call it on all ranks right after a barrier.
  void start();
  void stop() noexcept { is_on_ = false; }
  [[nodiscard]] bool is_on() const noexcept { return is_on_; }

  [[nodiscard]] int64_t now_us() const noexcept;

  /// Dropped unless recording.
  void add(std::string_view track, std::string name, int64_t begin_us, int64_t end_us);

  [[nodiscard]] std::vector<Span> spans() const;

 private:
  std::atomic<bool> is_on_{false};
  std::atomic<int64_t> zero_us_{0};
  mutable std::mutex mutex_;
  std::vector<Span> spans_;  // by mutex_
};

/// The scope that it lives for, as a span; nothing if `timeline` is null or off.
class TimelineSpan {
 public:
  TimelineSpan(Timeline* timeline, std::string_view track, std::string_view name);
  ~TimelineSpan();
  TimelineSpan(const TimelineSpan&) = delete;
  TimelineSpan& operator=(const TimelineSpan&) = delete;

 private:
  Timeline* timeline_;  // null if it was off; then the texts are empty
  std::string track_;
  std::string name_;
  int64_t begin_us_ = 0;
};

}  // namespace shardopt::distributed
