#include "read_plan.h"

#include <algorithm>

#include <c10/util/Exception.h>

namespace shardopt::checkpoint {
namespace {

// The first shard that ends behind `row`; empty ones are passed over.
std::size_t first_shard(const StoredTensor& tensor, int64_t row) {
  const auto ends_by = [&](const StoredShard& shard) {
    return shard.row_begin + shard.rows <= row;
  };
  const auto it = std::ranges::partition_point(tensor.shards, ends_by);
  return static_cast<std::size_t>(it - tensor.shards.begin());
}

// Bytes [begin, end) of shard `index`, block by block.
void add(const StoredTensor& tensor, std::size_t index, int64_t block_bytes,
         int64_t begin, int64_t end, int64_t destination,
         std::vector<BlockRead>& reads) {
  const int64_t shard_bytes = tensor.shards[index].bytes;
  for (int64_t block = begin / block_bytes; block * block_bytes < end; ++block) {
    const int64_t block_begin = block * block_bytes;
    const int64_t length = std::min(block_bytes, shard_bytes - block_begin);
    const int64_t from = std::max(begin - block_begin, int64_t{0});
    const int64_t to = std::min(end - block_begin, length);
    reads.push_back({.shard = index,
                     .block = block,
                     .block_bytes = length,
                     .begin = from,
                     .end = to,
                     .destination = destination + block_begin + from - begin});
  }
}

}  // namespace

std::vector<BlockRead> plan_reads(const StoredTensor& tensor,
                                  int64_t manifest_block_bytes, int64_t row_begin,
                                  int64_t row_end) {
  const int64_t rows = row_count(tensor.shape);
  TORCH_CHECK(0 <= row_begin && row_begin <= row_end && row_end <= rows, "rows ",
              row_begin, " to ", row_end, " of ", rows, " cannot be read");
  std::vector<BlockRead> reads;
  int64_t destination = 0;
  for (std::size_t i = first_shard(tensor, row_begin);
       i < tensor.shards.size() && tensor.shards[i].row_begin < row_end; ++i) {
    const StoredShard& shard = tensor.shards[i];
    if (shard.bytes == 0) continue;
    const int64_t row_bytes = shard.bytes / shard.rows;
    const int64_t from = std::max(row_begin - shard.row_begin, int64_t{0});
    const int64_t to = std::min(row_end - shard.row_begin, shard.rows);
    if (from >= to) continue;
    add(tensor, i, manifest_block_bytes, from * row_bytes, to * row_bytes, destination,
        reads);
    destination += (to - from) * row_bytes;
  }
  return reads;
}

}  // namespace shardopt::checkpoint
