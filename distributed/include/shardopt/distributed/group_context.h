/// What a communicator knows of the job that its group is part of.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace shardopt::distributed {

class PeerWatch;
class Timeline;
class WaitLimit;

/// Everything may be left out: then waits last as long as the backend lets them, and
/// failures do not say who is missing.
struct GroupContext {
  std::string name{};        ///< In the job; the same on every rank of the group.
  std::vector<int> ranks{};  ///< Ranks of the job by rank of the group.
  std::shared_ptr<const WaitLimit> limit{};  // Shared by the groups of the job, as are
  std::shared_ptr<PeerWatch> watch{};        // these two.
  std::shared_ptr<Timeline> timeline{};
};

}  // namespace shardopt::distributed
