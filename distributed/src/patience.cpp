#include "patience.h"

#include <algorithm>

#include <c10/util/Exception.h>

#include "shardopt/core/error.h"
#include "shardopt/distributed/wait_limit.h"

namespace shardopt::distributed {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Between two looks at the clock and at the peers.
constexpr milliseconds kSlice{50};
constexpr milliseconds kSearchLimit{850};

milliseconds left(const GroupContext& context, Clock::time_point start) {
  if (!context.limit) return kSlice;
  const auto until_end = context.limit->deadline(start) - Clock::now();
  return std::chrono::ceil<milliseconds>(until_end);
}

}  // namespace

void wait_patiently(const GroupContext& context, const PeerCall& call, const Poll& poll,
                    Clock::time_point start) {
  while (true) {
    const milliseconds slice =
        std::clamp(left(context, start), milliseconds(1), kSlice);
    if (poll(slice)) return;
    TORCH_CHECK(left(context, start) > milliseconds(0), "timed out after ",
                context.limit->length(start).count(), " ms");
    if (!context.watch) continue;
    const std::string verdict = context.watch->verdict(call, start);
    if (!verdict.empty()) SHARDOPT_THROW(CommError, verdict);
  }
}

std::string with_missing_ranks(const GroupContext& context, const PeerCall& call,
                               std::string cause) {
  if (!context.watch) return cause;
  const std::string missing = context.watch->missing(call, kSearchLimit);
  return missing.empty() ? cause : cause + "; missing: " + missing;
}

}  // namespace shardopt::distributed
