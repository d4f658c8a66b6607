#include "transport_trace.h"

#include <atomic>
#include <utility>

namespace shardopt::distributed {

TransportTrace::TransportTrace(std::shared_ptr<Timeline> timeline, std::string track,
                               std::string name)
    : timeline_(timeline && timeline->is_on() ? std::move(timeline) : nullptr),
      track_(std::move(track)),
      name_(std::move(name)) {
  if (timeline_) begin_us_ = timeline_->now_us();
}

void TransportTrace::end_with(const std::vector<std::unique_ptr<Part>>& parts) const {
  if (!timeline_) return;
  if (parts.empty()) {
    timeline_->add(track_, name_, begin_us_, timeline_->now_us());
    return;
  }
  // Parts end on threads of the transport's, in any order.
  const auto open = std::make_shared<std::atomic<std::size_t>>(parts.size());
  for (const auto& part : parts) {
    part->when_over([trace = *this, open] {
      if (--*open > 0) return;
      trace.timeline_->add(trace.track_, trace.name_, trace.begin_us_,
                           trace.timeline_->now_us());
    });
  }
}

}  // namespace shardopt::distributed
