/// Many small steps of a sharded model, and whether anything grows meanwhile.
#pragma once

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "distributed/toy_model.h"
#include "shardopt/distributed/mesh.h"

namespace shardopt::test {

// A sanitizer's own allocator keeps what is freed, and counts nothing of the heap.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif

// Most of what is resident is LibTorch, of which 1 % is 1.3 MB. The heap in use says
// more: queues and caches take a few KiB to and fro, a leak of 40 bytes a step over
// 1,800 steps takes more than this.
inline constexpr int64_t kHeapSlackBytes = 64 << 10;

/// What this process holds.
struct Footprint {
  int64_t resident_bytes;
  int64_t heap_bytes;  ///< Allocated and not freed.
  int64_t descriptors;
};

inline Footprint footprint() {
  int64_t pages = 0;
  int64_t resident_pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident_pages;
  const struct mallinfo2 heap = mallinfo2();
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return {.resident_bytes = resident_pages * sysconf(_SC_PAGESIZE),
          .heap_bytes = static_cast<int64_t>(heap.uordblks + heap.hblkhd),
          .descriptors = std::distance(begin(files), end(files))};
}

/// That of a moment in which no rank is at work. Ranks look in turn: threads would
/// count what others open to look. Collective.
inline Footprint footprint_at_rest(const distributed::Mesh& mesh) {
  Footprint held{};
  for (int turn = 0; turn <= mesh.size(); ++turn) {
    mesh.world().barrier()->wait();
    if (turn == mesh.rank()) held = footprint();
  }
  return held;
}

inline void train(ShardedLayers& layers, const distributed::Mesh& mesh, int steps) {
  constexpr double kLr = 0.01;
  for (int i = 0; i < steps; ++i) {
    step(layers, mesh);
    const c10::NoGradGuard no_grad;
    for (auto& p : layers.model.parameters()) p.rows.sub_(p.rows.grad(), kLr);
    clear_gradients(layers.model);
  }
}

/// Trains for `steps` steps, the first `settling` of which may still allocate. After
/// them buffers and descriptors are as many, and memory grows by less than 1 %.
/// Collective.
inline void expect_nothing_grows(const distributed::Mesh& mesh, int steps,
                                 int settling) {
  ShardedLayers layers(mesh);
  train(layers, mesh, settling);
  const int64_t allocations = layers.model.buffer_allocations();
  for (int k = 0; k < 8; ++k) { train(layers, mesh, 300); footprint_at_rest(mesh); if (mesh.rank()==0) { std::ifstream f("/proc/self/status"); for (std::string l; std::getline(f, l);) if (l.starts_with("Rss")) printf("rss %s ", l.c_str()); printf("  heap %ld\n", footprint().heap_bytes);} }
  const Footprint before = footprint_at_rest(mesh);

  train(layers, mesh, steps - settling);

  const Footprint after = footprint_at_rest(mesh);
  EXPECT_EQ(layers.model.buffer_allocations(), allocations);
  EXPECT_EQ(after.descriptors, before.descriptors);
  if (kIsSanitized) return;
  EXPECT_LT(after.resident_bytes, before.resident_bytes * 101 / 100);
  EXPECT_LT(after.heap_bytes, before.heap_bytes + kHeapSlackBytes);
  if (getenv("SOAK"))
    printf("rss %ld -> %ld heap %ld -> %ld fds %ld -> %ld\n", before.resident_bytes,
           after.resident_bytes, before.heap_bytes, after.heap_bytes,
           before.descriptors, after.descriptors);
  if (getenv("SOAK")) EXPECT_TRUE(false);
}

}  // namespace shardopt::test
