/// The plain values of a StateTree.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace shardopt {

/// Exactly typed: a count is never a float, a flag never a count.
using StateValue =
    std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<double>>;

/// How a leaf's tensors lie on the ranks.
enum class Spread : uint8_t {
  kCut,         ///< Rows over the shard ranks; `shard` is set.
  kReplicated,  ///< The same on every rank.
  kPerRank,     ///< Each rank its own.
  kFirstRank    ///< May differ between ranks; that of rank 0 counts (BatchNorm's).
};

/// Kind of a part that is saved for the record, and may differ in everything.
inline constexpr char kRecordOnly[] = "options";

}  // namespace shardopt
