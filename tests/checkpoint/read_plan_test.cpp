#include "read_plan.h"

#include <algorithm>
#include <random>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

namespace shardopt::checkpoint {
namespace {

constexpr int64_t kBlock =
    8;  // Of bytes; less than a file may have, to be worked by hand.

/// Shards of these numbers of rows of `row_bytes` bytes.
StoredTensor make_tensor(const std::vector<int64_t>& shard_rows, int64_t row_bytes) {
  StoredTensor tensor{.name = "w", .dtype = "U8"};
  int64_t rows = 0;
  for (const int64_t own : shard_rows) {
    tensor.shards.push_back({.row_begin = rows, .rows = own, .bytes = own * row_bytes});
    rows += own;
  }
  tensor.shape = {rows, row_bytes};
  return tensor;
}

using Fields = std::tuple<std::size_t, int64_t, int64_t, int64_t, int64_t, int64_t>;

/// Shard, block, its length, begin, end, destination.
std::vector<Fields> plan(const StoredTensor& tensor, int64_t begin, int64_t end) {
  std::vector<Fields> result;
  for (const BlockRead& read : plan_reads(tensor, kBlock, begin, end)) {
    result.emplace_back(read.shard, read.block, read.block_bytes, read.begin, read.end,
                        read.destination);
  }
  return result;
}

// 4 rows of 5 bytes are blocks of 8, 8 and 4 bytes.
TEST(ReadPlanTest, WholeShardIsItsBlocks) {
  EXPECT_EQ(plan(make_tensor({4}, 5), 0, 4),
            (std::vector<Fields>{
                {0, 0, 8, 0, 8, 0}, {0, 1, 8, 0, 8, 8}, {0, 2, 4, 0, 4, 16}}));
}

// Rows 1 and 2 are bytes 5 to 15: 3 of the first block, 7 of the second.
TEST(ReadPlanTest, RowsWithinAShardTakeAPartOfItsBlocks) {
  EXPECT_EQ(plan(make_tensor({4}, 5), 1, 3),
            (std::vector<Fields>{{0, 0, 8, 5, 8, 0}, {0, 1, 8, 0, 7, 3}}));
}

// Row 1 is the first shard's last, rows 2 and 3 all of the third's; the second is
// empty.
TEST(ReadPlanTest, RowsOfSeveralShardsFollowEachOther) {
  EXPECT_EQ(plan(make_tensor({2, 0, 2, 3}, 3), 1, 4),
            (std::vector<Fields>{{0, 0, 6, 3, 6, 0}, {2, 0, 6, 0, 6, 3}}));
}

TEST(ReadPlanTest, NothingIsReadForNoBytes) {
  EXPECT_TRUE(plan(make_tensor({4}, 5), 2, 2).empty());
  EXPECT_TRUE(plan(make_tensor({4, 3}, 0), 0, 7).empty());
  EXPECT_TRUE(plan(make_tensor({}, 5), 0, 0).empty());
  EXPECT_TRUE(plan(make_tensor({0, 0}, 5), 0, 0).empty());
}

TEST(ReadPlanTest, ZeroDimensionalTensorIsOneRow) {
  StoredTensor scalar = make_tensor({1}, 4);
  scalar.shape = {};

  EXPECT_EQ(plan(scalar, 0, 1), (std::vector<Fields>{{0, 0, 4, 0, 4, 0}}));
}

TEST(ReadPlanTest, RefusesRowsThatDoNotExist) {
  const StoredTensor tensor = make_tensor({4}, 5);

  EXPECT_THROW(plan(tensor, -1, 2), c10::Error);
  EXPECT_THROW(plan(tensor, 0, 5), c10::Error);
  EXPECT_THROW(plan(tensor, 3, 2), c10::Error);
}

TEST(ReadPlanTest, AnyRowsOfAnyShardsAreReadExactlyOnce) {
  std::mt19937_64 random(3);
  const auto below = [&](int64_t bound) {
    return static_cast<int64_t>(random() % bound);
  };
  for (int i = 0; i < 2000; ++i) {
    const int64_t row_bytes = 1 + below(20);
    std::vector<int64_t> shard_rows(static_cast<std::size_t>(1 + below(6)));
    for (int64_t& rows : shard_rows) rows = below(7);
    const StoredTensor tensor = make_tensor(shard_rows, row_bytes);
    const int64_t rows = tensor.shape.front();
    const int64_t begin = below(rows + 1);
    const int64_t end = begin + below(rows - begin + 1);

    int64_t next = 0;
    for (const BlockRead& read : plan_reads(tensor, kBlock, begin, end)) {
      const StoredShard& shard = tensor.shards.at(read.shard);
      ASSERT_EQ(read.destination, next);
      ASSERT_EQ(read.block_bytes, std::min(kBlock, shard.bytes - read.block * kBlock));
      ASSERT_TRUE(0 <= read.begin && read.begin < read.end &&
                  read.end <= read.block_bytes);
      ASSERT_EQ(shard.row_begin * row_bytes + read.block * kBlock + read.begin,
                begin * row_bytes + read.destination);
      next += read.end - read.begin;
    }
    ASSERT_EQ(next, (end - begin) * row_bytes);
  }
}

}  // namespace
}  // namespace shardopt::checkpoint
