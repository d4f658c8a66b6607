#include "shardopt/distributed/timeline.h"

#include <utility>

namespace shardopt::distributed {
namespace {

int64_t clock_us() {
  using std::chrono::microseconds;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<microseconds>(now).count();
}

}  // namespace

void Timeline::start() {
  zero_us_ = clock_us();
  is_on_ = true;
}

int64_t Timeline::now_us() const noexcept { return clock_us() - zero_us_; }

void Timeline::add(std::string_view track, std::string name, int64_t begin_us,
                   int64_t end_us) {
  if (!is_on_) return;
  const std::lock_guard lock(mutex_);
  spans_.push_back({std::string(track), std::move(name), begin_us, end_us});
}

std::vector<Timeline::Span> Timeline::spans() const {
  const std::lock_guard lock(mutex_);
  return spans_;
}

TimelineSpan::TimelineSpan(Timeline* timeline, std::string_view track,
                           std::string_view name)
    : timeline_(timeline != nullptr && timeline->is_on() ? timeline : nullptr),
      track_(timeline_ != nullptr ? track : ""),
      name_(timeline_ != nullptr ? name : "") {
  if (timeline_ != nullptr) begin_us_ = timeline_->now_us();
}

TimelineSpan::~TimelineSpan() {
  if (timeline_ == nullptr) return;
  timeline_->add(track_, std::move(name_), begin_us_, timeline_->now_us());
}

}  // namespace shardopt::distributed
