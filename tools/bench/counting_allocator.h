/// How much memory the tensors of a stretch of code take.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <c10/core/CPUAllocator.h>

namespace shardopt::bench {

/// While it lives, the allocator of CPU tensors. Memory that was allocated through it
/// may be freed later: the counts are shared.
class CountingAllocator final : public c10::Allocator {
 public:
  CountingAllocator() : inner_(c10::GetCPUAllocator()) { c10::SetCPUAllocator(this); }
  ~CountingAllocator() override { c10::SetCPUAllocator(inner_); }
  CountingAllocator(const CountingAllocator&) = delete;
  CountingAllocator& operator=(const CountingAllocator&) = delete;

  c10::DataPtr allocate(std::size_t bytes) override {
    counts_->add(static_cast<int64_t>(bytes));
    auto* block =
        new Block{inner_->allocate(bytes), static_cast<int64_t>(bytes), counts_};
    return {block->memory.get(), block, &CountingAllocator::free, c10::kCPU};
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  [[nodiscard]] int64_t held_bytes() const { return counts_->held; }
  [[nodiscard]] int64_t peak_bytes() const { return counts_->peak; }
  /// From now on.
  void reset_peak() { counts_->peak = counts_->held.load(); }

 private:
  struct Counts {
    std::atomic<int64_t> held{0};
    std::atomic<int64_t> peak{0};

    void add(int64_t bytes) {
      const int64_t now = held += bytes;
      int64_t seen = peak;
      while (now > seen && !peak.compare_exchange_weak(seen, now)) {
      }
    }
  };
  struct Block {
    c10::DataPtr memory;
    int64_t bytes;
    std::shared_ptr<Counts> counts;
  };
  static void free(void* context) {
    const std::unique_ptr<Block> block(static_cast<Block*>(context));
    block->counts->held -= block->bytes;
  }

  c10::Allocator* inner_;
  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
};

}  // namespace shardopt::bench
