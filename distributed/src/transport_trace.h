/// A collective as a span of the timeline.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shardopt/distributed/timeline.h"
#include "transport.h"

namespace shardopt::distributed {

/// From its construction until the last of its parts is over; nothing if the timeline
/// is null or off.
class TransportTrace {
 public:
  TransportTrace(std::shared_ptr<Timeline> timeline, std::string track,
                 std::string name);

  void end_with(const std::vector<std::unique_ptr<Part>>& parts) const;

 private:
  std::shared_ptr<Timeline> timeline_;  // Shared with the group; null if it was off.
  std::string track_;
  std::string name_;
  int64_t begin_us_ = 0;
};

}  // namespace shardopt::distributed
