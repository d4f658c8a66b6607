#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "shardopt/checkpoint/file_system.h"

namespace shardopt::checkpoint {
namespace {

class PosixFileSystem final : public FileSystem {
 public:
  int open_root(const std::string& path) override {
    return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  int open(int folder, const std::string& name, int flags, mode_t mode) override {
    return ::openat(folder, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                    mode);
  }
  int close(int descriptor) override { return ::close(descriptor); }
  ssize_t pread(int descriptor, void* data, std::size_t bytes, off_t offset) override {
    return ::pread(descriptor, data, bytes, offset);
  }
  ssize_t pwrite(int descriptor, const void* data, std::size_t bytes,
                 off_t offset) override {
    return ::pwrite(descriptor, data, bytes, offset);
  }
  int fallocate(int descriptor, off_t bytes) override {
    return ::fallocate(descriptor, 0, 0, bytes);
  }
  int ftruncate(int descriptor, off_t bytes) override {
    return ::ftruncate(descriptor, bytes);
  }
  int fsync(int descriptor) override { return ::fsync(descriptor); }
  int fstat(int descriptor, struct stat& status) override {
    return ::fstat(descriptor, &status);
  }
  int fstatat(int folder, const std::string& name, struct stat& status) override {
    return ::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW);
  }
  int fstatvfs(int descriptor, struct statvfs& status) override {
    return ::fstatvfs(descriptor, &status);
  }
  int flock(int descriptor, int operation) override {
    return ::flock(descriptor, operation);
  }
  int mkdir(int folder, const std::string& name, mode_t mode) override {
    return ::mkdirat(folder, name.c_str(), mode);
  }
  int rename(int folder, const std::string& from, const std::string& to) override {
    return ::renameat(folder, from.c_str(), folder, to.c_str());
  }
  int unlink(int folder, const std::string& name) override {
    return ::unlinkat(folder, name.c_str(), 0);
  }
  int rmdir(int folder, const std::string& name) override {
    return ::unlinkat(folder, name.c_str(), AT_REMOVEDIR);
  }
  int list(int folder, std::vector<std::string>& names) override;
};

// Of a descriptor of its own: reading a folder moves the descriptor's position.
int PosixFileSystem::list(int folder, std::vector<std::string>& names) {
  const int own = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return -1;
  DIR* stream = ::fdopendir(own);
  if (stream == nullptr) {
    const int error = errno;
    ::close(own);
    errno = error;
    return -1;
  }
  names.clear();
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  const int error = errno;
  ::closedir(stream);
  std::ranges::sort(names);
  errno = error;
  return error == 0 ? 0 : -1;
}

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem system;
  return system;
}

}  // namespace shardopt::checkpoint
