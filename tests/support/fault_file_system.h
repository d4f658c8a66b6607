/// A file system that fails, or dies, at the k-th call, and remembers what was safe.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "shardopt/checkpoint/file_system.h"
#include "support/disk_journal.h"

namespace shardopt::test {

enum class FileCall : uint8_t {
  kOpenRoot,
  kOpen,
  kClose,
  kPread,
  kPwrite,
  kFallocate,
  kFtruncate,
  kFsync,
  kFstat,
  kFstatat,
  kFstatvfs,
  kFlock,
  kMkdir,
  kRename,
  kUnlink,
  kRmdir,
  kList
};
inline constexpr std::size_t kFileCalls = 17;

/// Which call fails, and how. All else works.
struct FileFault {
  int64_t call = 1;                ///< Counted from 1, from the moment it is set.
  std::optional<FileCall> kind{};  ///< Counts these alone; none: all calls.
  int error = 0;                   ///< The errno; 0: no failure.
  bool is_short = false;           ///< It reads or writes a part, without an error.
  bool goes_on = false;            ///< Later calls (of this kind) fail too.
};

/// The machine's file system with one fault. A call that fails has done nothing, but
/// for a close, which closes.
///
/// Thread safety: full; calls but flock run one at a time, in the order of the journal.
class FaultFileSystem final : public checkpoint::FileSystem {
 public:
  FaultFileSystem() = default;

  /// In place of the fault set before; {}: none. Starts the counts anew.
  void set_fault(const FileFault& fault);
  /// SIGKILL to this process in place of the call-th call from now, counted from 1.
  void kill_at(int64_t call);

  /// Calls since the counts began, all or of one kind.
  [[nodiscard]] int64_t calls() const;
  [[nodiscard]] int64_t calls(FileCall kind) const;
  /// Whether the fault has struck.
  [[nodiscard]] bool has_failed() const;

  /// Starts a journal of what happens below `root`, which exists. From here on only
  /// this object changes anything there.
  void record(const std::filesystem::path& root);
  /// Of what was recorded; not while calls are under way.
  [[nodiscard]] const DiskJournal& journal() const { return *journal_; }

  int open_root(const std::string& path) override;
  int open(int folder, const std::string& name, int flags, mode_t mode) override;
  int close(int descriptor) override;
  ssize_t pread(int descriptor, void* data, std::size_t bytes, off_t offset) override;
  ssize_t pwrite(int descriptor, const void* data, std::size_t bytes,
                 off_t offset) override;
  int fallocate(int descriptor, off_t bytes) override;
  int ftruncate(int descriptor, off_t bytes) override;
  int fsync(int descriptor) override;
  int fstat(int descriptor, struct stat& status) override;
  int fstatat(int folder, const std::string& name, struct stat& status) override;
  int fstatvfs(int descriptor, struct statvfs& status) override;
  int flock(int descriptor, int operation) override;
  int mkdir(int folder, const std::string& name, mode_t mode) override;
  int rename(int folder, const std::string& from, const std::string& to) override;
  int unlink(int folder, const std::string& name) override;
  int rmdir(int folder, const std::string& name) override;
  int list(int folder, std::vector<std::string>& names) override;

 private:
  enum class Outcome : uint8_t { kWorks, kFails, kIsShort };

  /// Counts a call; errno is set if it fails. Under mutex_.
  Outcome begin(FileCall kind);

  checkpoint::FileSystem& disk_ = checkpoint::posix_file_system();
  mutable std::mutex mutex_;  // Guards all below.
  FileFault fault_{};
  int64_t kill_call_ = 0;  // Of calls_ together; 0: none.
  std::array<int64_t, kFileCalls> counts_{};
  int64_t calls_ = 0;
  bool has_failed_ = false;
  std::unique_ptr<DiskJournal> journal_{};
};

}  // namespace shardopt::test
