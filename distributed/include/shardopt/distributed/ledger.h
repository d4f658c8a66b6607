/// What a communicator was asked to move.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shardopt::distributed {

enum class Collective : uint8_t {
  kAllReduce,
  kAllGather,
  kReduceScatter,
  kAllToAll,
  kBroadcast,
  kBarrier
};

inline constexpr std::size_t kCollectives = 6;

/// "all_reduce", "all_gather", ...
[[nodiscard]] std::string_view name(Collective kind);

/// Calls of one rank by kind, and the bytes of its data that other ranks need:
/// all_gather: own piece x (ranks - 1); reduce_scatter: the others' pieces;
/// all_to_all: what goes to others; broadcast: tensor x (ranks - 1) at the root;
/// all_reduce: 2 (ranks - 1) / ranks x tensor, so that over all ranks it is exactly 2
/// (ranks - 1) x tensor; barrier: 0. No padding is counted,
/// and none is sent.
class Ledger {
 public:
  struct Entry {
    int64_t calls = 0;
    int64_t bytes = 0;
  };

  void record(Collective kind, int64_t bytes) {
    Entry& entry = entries_[static_cast<std::size_t>(kind)];
    ++entry.calls;
    entry.bytes += bytes;
  }
  [[nodiscard]] const Entry& entry(Collective kind) const {
    return entries_[static_cast<std::size_t>(kind)];
  }
  /// Of all kinds.
  [[nodiscard]] Entry total() const;
  void clear() { entries_ = {}; }

 private:
  std::array<Entry, kCollectives> entries_{};
};

}  // namespace shardopt::distributed
