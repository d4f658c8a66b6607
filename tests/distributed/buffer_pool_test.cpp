#include "buffer_pool.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "wire_plan.h"

namespace shardopt::distributed {
namespace {

TEST(BufferPoolTest, GivesBackTheSameMemoryForTheSameSize) {
  BufferPool pool(c10::kCPU);
  at::Tensor first = pool.acquire(1000);
  const void* memory = first.const_data_ptr();
  pool.give_back(std::move(first));

  EXPECT_EQ(pool.acquire(1000).const_data_ptr(), memory);
  EXPECT_EQ(pool.allocations(), 1);
  EXPECT_EQ(pool.bytes(), 1000);
}

TEST(BufferPoolTest, TakesNoBufferOfMoreThanTwiceTheSize) {
  BufferPool pool(c10::kCPU);
  pool.give_back(pool.acquire(1000));
  EXPECT_EQ(pool.acquire(500).numel(), 1000);
  pool.give_back(pool.acquire(1000));
  EXPECT_EQ(pool.acquire(499).numel(), 499);
}

TEST(BufferPoolTest, ReplacesABufferThatIsSlightlyTooSmall) {
  BufferPool pool(c10::kCPU);
  pool.give_back(pool.acquire(900));
  pool.give_back(pool.acquire(1000));
  EXPECT_EQ(pool.bytes(), 1000);  // the 900 are gone
  pool.give_back(pool.acquire(10'000));
  EXPECT_EQ(pool.bytes(), 11'000);  // the 1000 are of another kind
  EXPECT_EQ(pool.peak_bytes(), 11'000);
}

TEST(BufferPoolTest, SettlesOnTwoSizesWithoutFurtherAllocations) {
  BufferPool pool(c10::kCPU);
  const auto step = [&] {
    at::Tensor small = pool.acquire(64);
    at::Tensor large = pool.acquire(4096);
    pool.give_back(std::move(large));
    pool.give_back(pool.acquire(4100));
    pool.give_back(std::move(small));
  };
  step();
  const int64_t allocations = pool.allocations();
  step();
  step();
  EXPECT_EQ(pool.allocations(), allocations);
}

// Rank 0 holds rows 0 and 1 of a [3, 2] and nothing of a [1]; rank 1 the rest.
TEST(WirePlanTest, LaysPiecesRankByRankWithTheirTrailers) {
  const WirePlan plan({{Shard({0, 2, 3}, 1), 2}, {Shard({0, 0, 1}, 1), 1}},
                      /*rank=*/1, /*ranks=*/2, /*trailer=*/2);

  EXPECT_EQ(plan.cut().offsets(),
            (std::vector<int64_t>{0, 6, 11}));  // 4 + 2, 2 + 1 + 2
  EXPECT_EQ(plan.piece(0, 1).message_begin, 6);
  EXPECT_EQ(plan.piece(0, 1).tensor_begin, 4);
  EXPECT_EQ(plan.piece(0, 1).numel, 2);
  EXPECT_EQ(plan.piece(1, 0).numel, 0);
  EXPECT_EQ(plan.piece(1, 1).message_begin, 8);
  EXPECT_EQ(plan.trailer_begin(0), 4);
  EXPECT_EQ(plan.trailer_begin(1), 9);
}

}  // namespace
}  // namespace shardopt::distributed
