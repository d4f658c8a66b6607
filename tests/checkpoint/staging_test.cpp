#include "staging.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "chunk_stream.h"
#include "shardopt/core/crc32c.h"

namespace shardopt::checkpoint {
namespace {

constexpr std::size_t kChunk = 8192;

std::vector<char> numbers(std::size_t bytes) {
  std::vector<char> data(bytes);
  std::iota(data.begin(), data.end(), '\0');
  return data;
}

// The bytes that a filled and ended staging hands out, in the order of their offsets.
std::vector<char> drain(Staging& staging) {
  std::vector<char> bytes;
  while (auto chunk = staging.take_full()) {
    EXPECT_EQ(chunk->offset, static_cast<int64_t>(bytes.size()));
    bytes.insert(bytes.end(), chunk->memory.get(), chunk->memory.get() + chunk->bytes);
    staging.put_empty(std::move(*chunk));
  }
  return bytes;
}

TEST(StagingTest, ChunksFitDirectIo) {
  Staging staging(kChunk, 0);
  const auto chunk = staging.take_empty();
  ASSERT_TRUE(chunk.has_value());

  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(chunk->memory.get()) % kDirectAlignment,
            0u);
  EXPECT_EQ(chunk->bytes, 0u);
}

TEST(StagingTest, AnUsedChunkComesBackEmpty) {
  Staging staging(kChunk, 0);
  Chunk chunk = *staging.take_empty();
  const char* const memory = chunk.memory.get();
  chunk.bytes = 17;
  staging.put_full(std::move(chunk));
  staging.put_empty(*staging.take_full());
  const Chunk again = *staging.take_empty();

  EXPECT_EQ(again.memory.get(), memory);
  EXPECT_EQ(again.bytes, 0u);
}

// Below two chunks the budget is two; else as many as fit.
TEST(StagingTest, NoMoreChunksThanTheBudgetAllowsAreInTheWorld) {
  const std::vector<std::pair<int64_t, int>> cases{
      {0, 2}, {2 * kChunk, 2}, {3 * kChunk - 1, 2}, {5 * kChunk, 5}};
  for (const auto& [budget, expected] : cases) {
    Staging staging(kChunk, budget);
    std::atomic<int> made = 0;
    std::vector<Chunk> held;
    std::thread filler([&] {
      while (auto chunk = staging.take_empty()) {
        ++made;
        staging.put_full(std::move(*chunk));
      }
    });
    for (int i = 0; i < expected; ++i) held.push_back(*staging.take_full());
    // All are held here: the next one must wait until one comes back.
    auto next = std::async(std::launch::async, [&] { return staging.take_full(); });
    EXPECT_EQ(next.wait_for(std::chrono::milliseconds(20)),
              std::future_status::timeout);
    EXPECT_EQ(made, expected) << "budget " << budget;
    staging.put_empty(std::move(held.back()));
    EXPECT_TRUE(next.get().has_value());
    staging.stop();
    filler.join();
  }
}

TEST(StagingTest, StopEndsEveryWait) {
  Staging staging(kChunk, 0);
  const auto first = staging.take_empty();
  const auto second = staging.take_empty();
  auto empty = std::async(std::launch::async, [&] { return staging.take_empty(); });
  auto full = std::async(std::launch::async, [&] { return staging.take_full(); });
  staging.stop();

  EXPECT_FALSE(empty.get().has_value());
  EXPECT_FALSE(full.get().has_value());
}

TEST(StagingTest, FullChunksAreLostOnceStoppedAndKeptOnceEnded) {
  Staging ended(kChunk, 0);
  ended.put_full(*ended.take_empty());
  ended.end();
  EXPECT_TRUE(ended.take_full().has_value());
  EXPECT_FALSE(ended.take_full().has_value());

  Staging stopped(kChunk, 0);
  stopped.put_full(*stopped.take_empty());
  stopped.stop();
  EXPECT_FALSE(stopped.take_full().has_value());
}

TEST(ChunkStreamTest, PutsBytesInOrderAcrossChunks) {
  Staging staging(kChunk, 8 * kChunk);
  const std::vector<char> data = numbers(3 * kChunk + 100);
  ChunkStream stream(staging);
  EXPECT_TRUE(stream.put(data.data(), 10));
  EXPECT_TRUE(stream.put(data.data() + 10, 0));
  EXPECT_TRUE(stream.put(data.data() + 10, data.size() - 10));
  stream.end();
  staging.end();

  EXPECT_EQ(drain(staging), data);
}

TEST(ChunkStreamTest, EndsAtAChunksEndWithoutAnEmptyOne) {
  Staging staging(kChunk, 8 * kChunk);
  const std::vector<char> data = numbers(2 * kChunk);
  ChunkStream stream(staging);
  EXPECT_TRUE(stream.put(data.data(), data.size()));
  stream.end();
  staging.end();

  EXPECT_EQ(staging.take_full()->bytes, kChunk);
  EXPECT_EQ(staging.take_full()->bytes, kChunk);
  EXPECT_FALSE(staging.take_full().has_value());
}

// Blocks are counted from each piece's first byte, whatever chunks they lie in.
TEST(ChunkStreamTest, TakesTheCrcOfEveryBlockOfAPiece) {
  constexpr std::size_t kBlock = 3000;
  Staging staging(kChunk, 8 * kChunk);
  const std::vector<char> data = numbers(2 * kChunk + 500);
  const std::size_t piece = data.size() - 77;
  std::vector<uint32_t> crcs;
  ChunkStream stream(staging);
  EXPECT_TRUE(stream.put(data.data(), 77));
  stream.begin_blocks(crcs, kBlock);
  EXPECT_TRUE(stream.put(data.data() + 77, 1234));
  EXPECT_TRUE(stream.put(data.data() + 77 + 1234, piece - 1234));
  stream.end_blocks();

  std::vector<uint32_t> expected;
  for (std::size_t at = 0; at < piece; at += kBlock) {
    expected.push_back(crc32c(data.data() + 77 + at, std::min(kBlock, piece - at)));
  }
  EXPECT_EQ(crcs, expected);
}

TEST(ChunkStreamTest, WholeBlocksLeaveNoEmptyOneBehind) {
  Staging staging(kChunk, 8 * kChunk);
  const std::vector<char> data = numbers(6000);
  std::vector<uint32_t> crcs;
  ChunkStream stream(staging);
  stream.begin_blocks(crcs, 3000);
  EXPECT_TRUE(stream.put(data.data(), data.size()));
  stream.end_blocks();

  EXPECT_EQ(crcs.size(), 2u);
}

TEST(ChunkStreamTest, SaysWhenItWasStopped) {
  Staging staging(kChunk, 0);
  const std::vector<char> data = numbers(kChunk);
  ChunkStream stream(staging);
  staging.stop();

  EXPECT_FALSE(stream.put(data.data(), data.size()));
}

}  // namespace
}  // namespace shardopt::checkpoint
