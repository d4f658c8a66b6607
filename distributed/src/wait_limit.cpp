#include "shardopt/distributed/wait_limit.h"

#include <algorithm>

namespace shardopt::distributed {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

void WaitLimit::shorten(milliseconds limit) noexcept {
  if (shortened_at_ns_ != 0) return;
  short_ms_ = limit.count();
  shortened_at_ns_ = nanoseconds(Clock::now().time_since_epoch()).count();
}

WaitLimit::Clock::time_point WaitLimit::deadline(
    Clock::time_point start) const noexcept {
  const Clock::time_point end = start + timeout_;
  const int64_t shortened_at_ns = shortened_at_ns_;
  if (shortened_at_ns == 0) return end;
  const Clock::time_point shortened_at{nanoseconds(shortened_at_ns)};
  return std::min(end, std::max(start, shortened_at) + milliseconds(short_ms_));
}

milliseconds WaitLimit::length(Clock::time_point start) const noexcept {
  return std::chrono::duration_cast<milliseconds>(deadline(start) - start);
}

}  // namespace shardopt::distributed
