/// A file that appears whole, or not at all.
#pragma once

#include <cstddef>
#include <filesystem>

namespace shardopt::checkpoint {

/// Collects bytes under a temporary name in the folder of `path`; `commit` gives them
/// that name. Without it, the destructor removes them.
///
/// Every function throws CheckpointError, naming `path` and the cause, if the disk
/// fails; then the object may only be destroyed.
class DurableFile {
 public:
  explicit DurableFile(std::filesystem::path path);
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;
  ~DurableFile();

  /// Appends.
  void write(const void* data, std::size_t size_bytes);

  /// Syncs the bytes, renames them to `path` and syncs the folder.
  void commit();

 private:
  [[noreturn]] void fail(const char* what, int error) const;
  void sync_folder() const;

  const std::filesystem::path path_;
  std::filesystem::path temporary_;  // Empty once renamed.
  int descriptor_ = -1;
};

}  // namespace shardopt::checkpoint
