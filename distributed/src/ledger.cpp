#include "shardopt/distributed/ledger.h"

namespace shardopt::distributed {

std::string_view name(Collective kind) {
  static constexpr std::array<std::string_view, kCollectives> kNames{
      "all_reduce", "all_gather", "reduce_scatter",
      "all_to_all", "broadcast",  "barrier"};
  return kNames.at(static_cast<std::size_t>(kind));
}

Ledger::Entry Ledger::total() const {
  Entry sum;
  for (const Entry& entry : entries_) {
    sum.calls += entry.calls;
    sum.bytes += entry.bytes;
  }
  return sum;
}

}  // namespace shardopt::distributed
