/// Saving a job's state, step after step, so that a crash at any moment loses nothing
/// that was acknowledged. FORMAT.md has the files and the protocol.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shardopt/checkpoint/file_system.h"
#include "shardopt/checkpoint/rank_group.h"

namespace shardopt {
struct StateTree;
}

namespace shardopt::checkpoint {

struct SaveOptions {
  int64_t keep = 3;        ///< Newest valid steps that stay; 0: all.
  int64_t keep_every = 0;  ///< Steps that are multiples stay for ever; 0: none.
  std::chrono::seconds lock_wait{30};            ///< For a LOCK that another job holds.
  int64_t host_budget_bytes = int64_t{1} << 30;  ///< Memory for copies, per rank.
  int64_t block_bytes = int64_t{4} << 20;        ///< Each has a CRC of its own.
  int writer_threads = 2;
  bool direct_io = true;        ///< Past the page cache, where the file system can.
  bool check_space = true;      ///< Refuse to begin when the disk is too full.
  FileSystem* files = nullptr;  ///< Null: posix_file_system().
};

/// What became of one save, the same on every rank but for the times.
struct SaveReport {
  int64_t step = 0;
  std::filesystem::path folder;
  int64_t bytes = 0;           ///< Of data, all ranks together.
  double seconds = 0.0;        ///< From start to commit.
  double stall_seconds = 0.0;  ///< That calls here kept the caller of this rank.
  bool used_direct_io = false;
  std::vector<std::string> warnings{};  ///< LATEST or retention failed, buffers differ.
};

/// Saves into one root folder, one save at a time.
///
/// Every public function is collective, and no collective runs on another thread. A
/// failure is thrown on every rank with the same message; nothing that was committed is
/// touched, what the attempt left is removed, and the next save may succeed. CommError
/// if a peer is gone; then nothing more can be saved.
///
/// Thread safety: none.
class Checkpointer {
 public:
  /// Makes `root` if need be; rank 0 takes its LOCK until the end of this object,
  /// waiting up to lock_wait (kBusy, naming the holder). `ranks`' communicators outlive
  /// this.
  Checkpointer(std::filesystem::path root, RankGroup ranks, SaveOptions options = {});
  /// Abandons a save under way; waits for its threads, not for peers.
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  /// Says from which step (0: none) training goes on. Steps after it are of a branch
  /// that is left: sound ones are an error that lists them (kMismatch) unless
  /// `discard_later`; before the next commit their MANIFEST becomes MANIFEST.stale, so
  /// that they never come back. `from` itself is kept by retention.
  ///
  /// Without this call the first save is checked as if training went on from its step.
  void begin_branch(int64_t from, bool discard_later);

  /// Begins to save `state` as step `step` >= 0 and returns. Refused (c10::Error) while
  /// another is under way. Values and tensors that are not cut are copied at once;
  /// rows of cut tensors must not change before wait_copied() has returned. The same
  /// tree but for rows, per-rank tensors and first-rank ones on every rank: kMismatch
  /// names what differs.
  void start(int64_t step, const StateTree& state, const std::string& config_text);

  /// Returns once `state`'s tensors may change. Local, no collective.
  void wait_copied();

  /// Whether a save is under way. Local, the same on every rank.
  [[nodiscard]] bool is_saving() const noexcept;

  /// Goes on with the save under way; its report if this call has ended it. No
  /// collective if there is none. Throws the save's failure.
  std::optional<SaveReport> poll();

  /// Polls until the save under way has ended, if there is one. A peer's slow disk is
  /// waited for as long as it takes, a peer that is gone for the timeout.
  std::optional<SaveReport> finish();

  /// start and finish.
  SaveReport save(int64_t step, const StateTree& state,
                  const std::string& config_text = {});

  [[nodiscard]] const std::filesystem::path& root() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Saves once: makes a Checkpointer for `root`, and saves. Collective.
SaveReport save(const std::filesystem::path& root, int64_t step, const StateTree& state,
                RankGroup ranks, const SaveOptions& options = {});

}  // namespace shardopt::checkpoint
