/// Open files and folders of a FileSystem, with errors that name them.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "shardopt/checkpoint/file_system.h"

namespace shardopt::checkpoint {

/// An open file or folder; closed at the end. Everything below throws CheckpointFailure
/// with the path and the system's words: kIncomplete for what is not there, kUnsafePath
/// for a link, a pipe, a device or the wrong kind, kStorage for all else. EINTR is
/// tried again, short reads and writes go on, a sync that failed is never tried again.
class Handle {
 public:
  Handle(FileSystem& files, int descriptor, std::string path)
      : files_(&files), descriptor_(descriptor), path_(std::move(path)) {}
  Handle(Handle&& other) noexcept;
  Handle& operator=(Handle&& other) noexcept;
  ~Handle();

  [[nodiscard]] FileSystem& files() const noexcept { return *files_; }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// Now, and with its error.
  void close();

 private:
  FileSystem* files_;
  int descriptor_;  // -1: closed
  std::string path_;
};

/// The root, or a step folder by a path of its own; may be reached through a link.
[[nodiscard]] Handle open_root(FileSystem& files, const std::string& path);
[[nodiscard]] Handle open_folder(const Handle& parent, const std::string& name);
/// For reading: a regular file, no pipe is waited for.
[[nodiscard]] Handle open_file(const Handle& folder, const std::string& name);
/// New, for writing, mode 0666 under the umask; `flags` are added (O_DIRECT).
[[nodiscard]] Handle create_file(const Handle& folder, const std::string& name,
                                 int flags = 0);

[[nodiscard]] bool exists(const Handle& folder, const std::string& name);
[[nodiscard]] std::vector<std::string> list(const Handle& folder);
[[nodiscard]] int64_t size_of(const Handle& file);
/// Of a regular file, without opening it.
[[nodiscard]] int64_t size_of(const Handle& folder, const std::string& name);
void read_all(const Handle& file, void* data, std::size_t bytes, int64_t offset);
void write_all(const Handle& file, const void* data, std::size_t bytes, int64_t offset);
void sync(const Handle& file_or_folder);

/// A whole small file. kCorrupt if it is longer than `max_bytes`.
[[nodiscard]] std::string read_small_file(const Handle& folder, const std::string& name,
                                          int64_t max_bytes);
/// Mode 0777 under the umask; may exist already. The parent is synced.
void make_folder(const Handle& parent, const std::string& name);
/// A new small file, synced; its name is not. Removed on a failure, if possible.
void write_small_file(const Handle& folder, const std::string& name,
                      const std::string& bytes);
/// Writes `temporary`, syncs it, renames it to `name`, syncs the folder. On a failure
/// `temporary` is removed if possible.
void replace_file(const Handle& folder, const std::string& name,
                  const std::string& temporary, const std::string& bytes);
void rename(const Handle& folder, const std::string& from, const std::string& to);
/// Not being there is no error.
void remove_file(const Handle& folder, const std::string& name);
void remove_folder(const Handle& parent, const std::string& name);

/// Makes a system call again while a signal interrupts it.
template <typename Call>
auto retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// Throws for errno as described above; `what` as "cannot create".
[[noreturn]] void fail_storage(const std::string& path, const std::string& what,
                               int error);

}  // namespace shardopt::checkpoint
