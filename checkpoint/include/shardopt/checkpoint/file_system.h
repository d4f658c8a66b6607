/// The calls to the operating system that checkpoints are made of.
#pragma once

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

namespace shardopt::checkpoint {

/// Each function is the system call of its name: what it returns and errno are that
/// call's. Names are relative to an open folder (`AT_FDCWD`: the working directory),
/// and no last component is followed if it is a symbolic link, but by `open_root`.
///
/// Tests put one in its place that fails, or dies, at the k-th call.
///
/// Thread safety: full.
class FileSystem {
 public:
  FileSystem() = default;
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;
  virtual ~FileSystem() = default;

  /// A folder by its path; a symbolic link is followed: a root may be one.
  virtual int open_root(const std::string& path) = 0;
  /// openat with O_CLOEXEC, O_NOFOLLOW and O_NONBLOCK added to `flags`.
  virtual int open(int folder, const std::string& name, int flags, mode_t mode) = 0;
  virtual int close(int descriptor) = 0;
  virtual ssize_t pread(int descriptor, void* data, std::size_t bytes,
                        off_t offset) = 0;
  virtual ssize_t pwrite(int descriptor, const void* data, std::size_t bytes,
                         off_t offset) = 0;
  virtual int fallocate(int descriptor, off_t bytes) = 0;  ///< Mode 0, from 0.
  virtual int ftruncate(int descriptor, off_t bytes) = 0;
  virtual int fsync(int descriptor) = 0;  ///< Of a file or a folder.
  virtual int fstat(int descriptor, struct stat& status) = 0;
  virtual int fstatat(int folder, const std::string& name, struct stat& status) = 0;
  virtual int fstatvfs(int descriptor, struct statvfs& status) = 0;
  virtual int flock(int descriptor, int operation) = 0;
  virtual int mkdir(int folder, const std::string& name, mode_t mode) = 0;
  virtual int rename(int folder, const std::string& from, const std::string& to) = 0;
  virtual int unlink(int folder, const std::string& name) = 0;
  virtual int rmdir(int folder, const std::string& name) = 0;
  /// Names in an open folder, sorted, without "." and "..". -1 or 0.
  virtual int list(int folder, std::vector<std::string>& names) = 0;
};

/// The one of the machine. Lives for ever.
[[nodiscard]] FileSystem& posix_file_system();

}  // namespace shardopt::checkpoint
