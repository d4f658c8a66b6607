#include "buffer_pool.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "wire_plan.h"

namespace shardopt::distributed {
namespace {

TEST(BufferPoolTest, GivesBackTheSameMemoryForTheSameSize) {
  BufferPool pool(c10::kCPU);
  at::Tensor first = pool.acquire(1024);
  const void* memory = first.const_data_ptr();
  pool.give_back(std::move(first));

  EXPECT_EQ(pool.acquire(1024).const_data_ptr(), memory);
  EXPECT_EQ(pool.allocations(), 1);
  EXPECT_EQ(pool.bytes(), 1024);
}

// In steps of 64, and of a 32nd of the power of two below where that is more.
TEST(BufferPoolTest, RoundsSizesUpByA32ndAtMost) {
  BufferPool pool(c10::kCPU);
  EXPECT_EQ(pool.acquire(0).numel(), 0);
  EXPECT_EQ(pool.acquire(1).numel(), 64);
  EXPECT_EQ(pool.acquire(1000).numel(), 1024);
  EXPECT_EQ(pool.acquire(4097).numel(), 4096 + 128);
  for (int64_t bytes = 2048; bytes < 100'000; bytes += 97) {
    const int64_t size = pool.acquire(bytes).numel();
    EXPECT_GE(size, bytes);
    EXPECT_LE(32 * (size - bytes), bytes);
  }
}

TEST(BufferPoolTest, NearlyTheSameSizeIsTheSameSize) {
  BufferPool pool(c10::kCPU);
  pool.give_back(pool.acquire(1'000'000));
  pool.give_back(pool.acquire(1'000'100));
  EXPECT_EQ(pool.allocations(), 1);
}

TEST(BufferPoolTest, HoldsOfEachSizeWhatWasInUseAtOnce) {
  BufferPool pool(c10::kCPU);
  const auto pass = [&] {
    at::Tensor small = pool.acquire(64);
    at::Tensor large = pool.acquire(4096);
    at::Tensor second = pool.acquire(4096);
    pool.give_back(std::move(large));
    pool.give_back(pool.acquire(4096));
    pool.give_back(pool.acquire(5000));
    pool.give_back(std::move(second));
    pool.give_back(std::move(small));
  };
  pass();
  EXPECT_EQ(pool.allocations(), 4);
  EXPECT_EQ(pool.bytes(), 64 + 2 * 4096 + 5120);
  for (int i = 0; i < 3; ++i) pass();
  EXPECT_EQ(pool.allocations(), 4);
}

TEST(BufferPoolTest, CountsMemoryThatStaysWithItsUser) {
  BufferPool pool(c10::kCPU);
  EXPECT_EQ(pool.allocate(1000).numel(), 1000);
  EXPECT_EQ(pool.allocations(), 1);
  EXPECT_EQ(pool.bytes(), 0);
}

TEST(BufferPoolTest, BuffersMadeInsideInferenceModeCanBeWrittenOutside) {
  BufferPool pool(c10::kCPU);
  at::Tensor buffer;
  {
    const c10::InferenceMode inference;
    buffer = pool.acquire(64);
  }
  EXPECT_NO_THROW(buffer.zero_());
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
