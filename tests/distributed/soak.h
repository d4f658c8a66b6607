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

/// That of a moment in which no rank is at work. Collective.
inline Footprint footprint_at_rest(const distributed::Mesh& mesh) {
  mesh.world().barrier()->wait();
  const Footprint held = footprint();
  mesh.world().barrier()->wait();
  return held;
}

/// Trains for `steps` steps, the first `settling` of which may still allocate. Then
/// pools and descriptors are as many, and memory grows by less than 1 %. Collective.
inline void expect_nothing_grows(const distributed::Mesh& mesh, int steps,
                                 int settling) {
  ShardedLayers layers(mesh);
  const auto train = [&](int count) {
    const at::NoGradGuard no_grad;
    for (int i = 0; i < count; ++i) {
      {
        const at::AutoGradMode grad(true);
        step(layers, mesh);
      }
      for (auto& p : layers.model.parameters()) p.rows.sub_(p.rows.grad(), 0.01);
      clear_gradients(layers.model);
    }
  };

  train(settling);
  const int64_t allocations = layers.model.buffer_allocations();
  const Footprint before = footprint_at_rest(mesh);
  train(steps - settling);
  const Footprint after = footprint_at_rest(mesh);

  printf("rss %ld -> %ld heap %ld -> %ld fds %ld -> %ld\n", before.resident_bytes,
         after.resident_bytes, before.heap_bytes, after.heap_bytes, before.descriptors,
         after.descriptors);
  EXPECT_EQ(layers.model.buffer_allocations(), allocations);
  EXPECT_EQ(after.descriptors, before.descriptors);
  if (kIsSanitized) return;
  EXPECT_LT(after.resident_bytes, before.resident_bytes * 101 / 100);
}

}  // namespace shardopt::test
