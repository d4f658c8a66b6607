/// The file that chunks are written to.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "files.h"
#include "staging.h"

namespace shardopt::checkpoint {

/// A new file, written past the page cache where the file system can and `is_direct`.
/// Everything throws as files.h does.
///
/// Thread safety: `write` may be called by several threads at once.
class DataWriter {
 public:
  /// Takes room for `bytes` at once if the file system can: a full disk shows now. The
  /// folder outlives this.
  DataWriter(const Handle& folder, std::string name, int64_t bytes, bool is_direct);

  void write(Chunk& chunk);

  /// Cuts the file to its exact size, syncs and closes it. Nothing is synced again
  /// after a sync that failed.
  void finish();

  /// Whether all that was written went past the page cache.
  [[nodiscard]] bool is_direct() const noexcept { return is_direct_; }

 private:
  [[nodiscard]] Handle create();
  void reserve();
  [[nodiscard]] bool write_direct(Chunk& chunk);
  [[nodiscard]] const Handle& buffered();

  const Handle& folder_;
  const std::string name_;
  const int64_t bytes_;
  std::atomic<bool> is_direct_;
  Handle file_;
  std::mutex mutex_;
  std::optional<Handle> buffered_;  // Guarded by mutex_; once direct I/O was refused.
};

}  // namespace shardopt::checkpoint
