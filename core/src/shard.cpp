#include "shardopt/core/shard.h"

#include <utility>

#include <c10/util/Exception.h>

namespace shardopt {

Shard::Shard(std::vector<int64_t> offsets, int rank)
    : offsets_(std::move(offsets)), rank_(rank) {
  TORCH_CHECK(0 <= rank && rank < ranks(), "rank ", rank, " is none of ", ranks());
  TORCH_CHECK(begin(0) == 0, "a cut must start at row 0, not ", begin(0));
  for (int r = 0; r < ranks(); ++r) {
    TORCH_CHECK(rows(r) >= 0, "rank ", r, " would hold ", rows(r), " rows");
  }
}

}  // namespace shardopt
