/// A file system whose writes wait until they may go on: a disk as slow as a test
/// needs.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "shardopt/checkpoint/file_system.h"

namespace shardopt::test {

/// The machine's file system, but that pwrite waits while the gate is closed. It begins
/// open. Thread safety: full.
class GatedFileSystem final : public checkpoint::FileSystem {
 public:
  void close_gate() { set_open(false); }
  void open_gate() { set_open(true); }

  ssize_t pwrite(int descriptor, const void* data, std::size_t bytes,
                 off_t offset) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_open_; });
    lock.unlock();
    return disk_.pwrite(descriptor, data, bytes, offset);
  }

  int open_root(const std::string& path) override { return disk_.open_root(path); }
  int open(int folder, const std::string& name, int flags, mode_t mode) override {
    return disk_.open(folder, name, flags, mode);
  }
  int close(int descriptor) override { return disk_.close(descriptor); }
  ssize_t pread(int descriptor, void* data, std::size_t bytes, off_t offset) override {
    return disk_.pread(descriptor, data, bytes, offset);
  }
  int fallocate(int descriptor, off_t bytes) override {
    return disk_.fallocate(descriptor, bytes);
  }
  int ftruncate(int descriptor, off_t bytes) override {
    return disk_.ftruncate(descriptor, bytes);
  }
  int fsync(int descriptor) override { return disk_.fsync(descriptor); }
  int fstat(int descriptor, struct stat& status) override {
    return disk_.fstat(descriptor, status);
  }
  int fstatat(int folder, const std::string& name, struct stat& status) override {
    return disk_.fstatat(folder, name, status);
  }
  int fstatvfs(int descriptor, struct statvfs& status) override {
    return disk_.fstatvfs(descriptor, status);
  }
  int flock(int descriptor, int operation) override {
    return disk_.flock(descriptor, operation);
  }
  int mkdir(int folder, const std::string& name, mode_t mode) override {
    return disk_.mkdir(folder, name, mode);
  }
  int rename(int folder, const std::string& from, const std::string& to) override {
    return disk_.rename(folder, from, to);
  }
  int unlink(int folder, const std::string& name) override {
    return disk_.unlink(folder, name);
  }
  int rmdir(int folder, const std::string& name) override {
    return disk_.rmdir(folder, name);
  }
  int list(int folder, std::vector<std::string>& names) override {
    return disk_.list(folder, names);
  }

 private:
  void set_open(bool is_open) {
    const std::lock_guard lock(mutex_);
    is_open_ = is_open;
    changed_.notify_all();
  }

  checkpoint::FileSystem& disk_ = checkpoint::posix_file_system();
  std::mutex mutex_;  // Guards is_open_.
  std::condition_variable changed_;
  bool is_open_ = true;
};

}  // namespace shardopt::test
