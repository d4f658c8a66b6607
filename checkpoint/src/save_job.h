/// One rank's part of one save, on threads of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "agree.h"
#include "data_file.h"
#include "data_writer.h"
#include "files.h"
#include "flat_state.h"
#include "staging.h"

namespace shardopt::checkpoint {

struct SaveJobOptions {
  int64_t block_bytes = int64_t{4} << 20;
  int64_t budget_bytes = int64_t{1} << 30;  ///< Of chunks.
  int writer_threads = 2;
  bool is_direct = true;
};

/// Copies this rank's pieces chunk by chunk, takes the CRCs of their blocks, and writes
/// and syncs the file and its folder. One thread copies, others write. No collective.
///
/// Thread safety: the public functions are for one thread.
class SaveJob {
 public:
  /// Tensors of `flat` must not change before wait_copied has returned. A layout
  /// without pieces writes no file.
  SaveJob(FlatState flat, DataLayout layout, int rank, Handle attempt,
          const SaveJobOptions& options);
  /// Stops what goes on, and waits for the threads.
  ~SaveJob();
  SaveJob(const SaveJob&) = delete;
  SaveJob& operator=(const SaveJob&) = delete;

  void wait_copied();
  /// Whether the threads have ended, in whatever way.
  [[nodiscard]] bool is_done() const noexcept { return is_done_; }
  /// Stops soon, without an error of its own.
  void cancel();
  /// Waits for the threads.
  void join();

  /// These once it is done: what went wrong (the first thing), or what was written.
  [[nodiscard]] const Failure& failure() const noexcept { return failure_; }
  [[nodiscard]] const RankPart& part() const noexcept { return part_; }
  /// Whether nothing was written through the page cache.
  [[nodiscard]] bool was_direct() const noexcept { return was_direct_; }

 private:
  void run();
  void write_file();
  void fill();
  void write_chunks(DataWriter& writer);
  void note_failure();
  void note_copied();

  const FlatState flat_;
  const DataLayout layout_;
  const SaveJobOptions options_;
  const Handle attempt_;
  Staging staging_;
  RankPart part_;
  bool was_direct_ = true;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_copied_ = false;  // This and the failure: guarded by mutex_ until done.
  Failure failure_;
  std::atomic<bool> is_cancelled_{false};
  std::atomic<bool> is_done_{false};
  std::thread thread_;
};

}  // namespace shardopt::checkpoint
