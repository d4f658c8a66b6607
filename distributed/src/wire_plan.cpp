#include "wire_plan.h"

#include <utility>

namespace shardopt::distributed {

WirePlan::WirePlan(const std::vector<WireTensor>& tensors, int rank, int ranks,
                   int64_t trailer)
    : trailer_(trailer), cut_(std::vector<int64_t>(ranks + 1, 0), rank) {
  std::vector<int64_t> offsets{0};
  for (int r = 0; r < ranks; ++r) {
    int64_t end = offsets.back();
    std::vector<Piece> pieces;
    for (const auto& [cut, row_numel] : tensors) {
      const int64_t numel = cut.rows(r) * row_numel;
      pieces.push_back({end, cut.begin(r) * row_numel, numel});
      end += numel;
    }
    pieces_.push_back(std::move(pieces));
    offsets.push_back(end + trailer);
  }
  cut_ = Shard(std::move(offsets), rank);
}

}  // namespace shardopt::distributed
