#include "staging.h"

#include <algorithm>
#include <new>
#include <utility>

namespace shardopt::checkpoint {
namespace {

constexpr int64_t kFewestChunks = 2;  // One is written while the other is filled.

Chunk make_chunk(std::size_t bytes) {
  Chunk chunk;
  chunk.memory.reset(static_cast<char*>(std::aligned_alloc(kDirectAlignment, bytes)));
  if (chunk.memory == nullptr) throw std::bad_alloc();
  return chunk;
}

}  // namespace

Staging::Staging(std::size_t chunk_bytes, int64_t budget_bytes)
    : chunk_bytes_(chunk_bytes),
      most_chunks_(std::max<int64_t>(
          kFewestChunks, budget_bytes / static_cast<int64_t>(chunk_bytes))) {}

std::optional<Chunk> Staging::take_empty() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock,
                [&] { return is_stopped_ || !empty_.empty() || made_ < most_chunks_; });
  if (is_stopped_) return std::nullopt;
  if (empty_.empty()) {
    ++made_;
    lock.unlock();
    return make_chunk(chunk_bytes_);
  }
  Chunk chunk = std::move(empty_.back());
  empty_.pop_back();
  chunk.bytes = 0;
  return chunk;
}

void Staging::put_full(Chunk chunk) {
  const std::lock_guard lock(mutex_);
  full_.push_back(std::move(chunk));
  changed_.notify_all();
}

void Staging::end() {
  const std::lock_guard lock(mutex_);
  has_ended_ = true;
  changed_.notify_all();
}

std::optional<Chunk> Staging::take_full() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return is_stopped_ || !full_.empty() || has_ended_; });
  if (is_stopped_ || full_.empty()) return std::nullopt;
  Chunk chunk = std::move(full_.front());
  full_.pop_front();
  return chunk;
}

void Staging::put_empty(Chunk chunk) {
  const std::lock_guard lock(mutex_);
  empty_.push_back(std::move(chunk));
  changed_.notify_all();
}

void Staging::stop() {
  const std::lock_guard lock(mutex_);
  is_stopped_ = true;
  changed_.notify_all();
}

}  // namespace shardopt::checkpoint
