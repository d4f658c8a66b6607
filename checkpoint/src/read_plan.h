/// Which bytes of which shards make a range of rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "shardopt/checkpoint/manifest.h"

namespace shardopt::checkpoint {

/// A stretch of one shard that is wanted, within one of its blocks.
struct BlockRead {
  std::size_t shard = 0;    ///< Index into StoredTensor::shards.
  int64_t block = 0;        ///< Of the shard.
  int64_t block_bytes = 0;  ///< Its length; the last one may be short.
  int64_t begin = 0;        ///< Wanted bytes of the block.
  int64_t end = 0;
  int64_t destination = 0;  ///< Where they go, from the first wanted row.
};

/// What makes rows [row_begin, row_end) of `tensor`, of a manifest that check_manifest
/// has passed: every byte of them once, by rising destination. Pure; no communication,
/// and no search through all shards.
[[nodiscard]] std::vector<BlockRead> plan_reads(const StoredTensor& tensor,
                                                int64_t manifest_block_bytes,
                                                int64_t row_begin, int64_t row_end);

}  // namespace shardopt::checkpoint
