/// Many small steps of a sharded model, and whether anything grows meanwhile.
#pragma once

#include <malloc.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

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

// LibTorch's tables are most of what is resident. The heap in use says more: queues and
// the allocator's caches take a few KiB to and fro, a leak of 40 bytes a step over
// 1,800 steps more than this.
inline constexpr int64_t kHeapSlackBytes = 64 << 10;

/// What this process holds.
struct Footprint {
  /// Resident, but for pages of files: code comes and goes as it is used.
  int64_t resident_kib = -1;
  int64_t heap_bytes = 0;  ///< Allocated and not freed.
  int64_t descriptors = 0;
};

inline Footprint footprint() {
  Footprint held;
  std::ifstream status("/proc/self/status");
  for (std::string field; status >> field;) {
    if (field == "RssAnon:") status >> held.resident_kib;
  }
  const struct mallinfo2 heap = mallinfo2();
  held.heap_bytes = static_cast<int64_t>(heap.uordblks + heap.hblkhd);
  const std::filesystem::directory_iterator files("/proc/self/fd");
  held.descriptors = std::distance(begin(files), end(files));
  return held;
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
  const Footprint before = footprint_at_rest(mesh);

  train(layers, mesh, steps - settling);

  const Footprint after = footprint_at_rest(mesh);
  EXPECT_EQ(layers.model.buffer_allocations(), allocations);
  EXPECT_EQ(after.descriptors, before.descriptors);
  if (kIsSanitized) return;
  ASSERT_GT(before.resident_kib, 0) << "/proc/self/status has no RssAnon";
  EXPECT_LT(static_cast<double>(after.resident_kib),
            1.01 * static_cast<double>(before.resident_kib));
  EXPECT_LT(after.heap_bytes, before.heap_bytes + kHeapSlackBytes);
}

}  // namespace shardopt::test
