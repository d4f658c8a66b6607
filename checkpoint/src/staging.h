/// Memory between a state and the disk: chunks that one thread fills and others write.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace shardopt::checkpoint {

inline constexpr std::size_t kDirectAlignment = 4096;  ///< Of memory, offsets, lengths.

/// A stretch of the file, in memory that fits direct I/O.
struct Chunk {
  struct Free {
    void operator()(char* memory) const noexcept { std::free(memory); }
  };
  std::unique_ptr<char, Free> memory{};  ///< Staging::chunk_bytes() of it
  int64_t offset = 0;                    ///< In the file; a multiple of the alignment.
  std::size_t bytes = 0;                 ///< Filled.
};

/// Hands empty chunks to one filling thread and full ones to writing threads; at most
/// `budget_bytes` (but two chunks at least) are in the world.
///
/// Thread safety: full. Every wait ends when stop() is called.
class Staging {
 public:
  Staging(std::size_t chunk_bytes, int64_t budget_bytes);

  [[nodiscard]] std::size_t chunk_bytes() const noexcept { return chunk_bytes_; }

  /// Waits for an empty one; nullopt once stopped.
  [[nodiscard]] std::optional<Chunk> take_empty();
  void put_full(Chunk chunk);
  /// No more full ones will come.
  void end();

  /// Waits for a full one; nullopt once all are written, or stopped.
  [[nodiscard]] std::optional<Chunk> take_full();
  void put_empty(Chunk chunk);

  void stop();

 private:
  const std::size_t chunk_bytes_;
  const int64_t most_chunks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Chunk> empty_;  // These and what follows: guarded by mutex_.
  std::deque<Chunk> full_;
  int64_t made_ = 0;
  bool has_ended_ = false;
  bool is_stopped_ = false;
};

}  // namespace shardopt::checkpoint
