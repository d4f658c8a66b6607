#include "support/fault_file_system.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace shardopt::test {
namespace {

// About half; of what direct I/O may have written, whole sectors.
std::size_t part_of(std::size_t bytes) {
  constexpr std::size_t kSectorBytes = 4096;
  const std::size_t half = bytes / 2;
  const std::size_t part =
      bytes % kSectorBytes == 0 ? half - half % kSectorBytes : half;
  return part == 0 ? bytes : part;
}

}  // namespace

void FaultFileSystem::set_fault(const FileFault& fault) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  counts_ = {};
  calls_ = 0;
  kill_call_ = 0;
  has_failed_ = false;
}

void FaultFileSystem::kill_at(int64_t call) {
  const std::lock_guard lock(mutex_);
  kill_call_ = calls_ + call;
}

int64_t FaultFileSystem::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

int64_t FaultFileSystem::calls(FileCall kind) const {
  const std::lock_guard lock(mutex_);
  return counts_.at(static_cast<std::size_t>(kind));
}

bool FaultFileSystem::has_failed() const {
  const std::lock_guard lock(mutex_);
  return has_failed_;
}

void FaultFileSystem::record(const std::filesystem::path& root) {
  const std::lock_guard lock(mutex_);
  journal_ = std::make_unique<DiskJournal>(root);
}

FaultFileSystem::Outcome FaultFileSystem::begin(FileCall kind) {
  const int64_t all = ++calls_;
  const int64_t same = ++counts_.at(static_cast<std::size_t>(kind));
  if (all == kill_call_) ::kill(::getpid(), SIGKILL);
  if (fault_.kind.has_value() && *fault_.kind != kind) return Outcome::kWorks;
  const int64_t count = fault_.kind.has_value() ? same : all;
  const bool strikes = count == fault_.call || (fault_.goes_on && count > fault_.call);
  if (!strikes) return Outcome::kWorks;
  if (fault_.is_short) {
    has_failed_ |= kind == FileCall::kPread || kind == FileCall::kPwrite;
    return Outcome::kIsShort;
  }
  if (fault_.error == 0) return Outcome::kWorks;
  has_failed_ = true;
  errno = fault_.error;
  return Outcome::kFails;
}

int FaultFileSystem::open_root(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (begin(FileCall::kOpenRoot) == Outcome::kFails) return -1;
  const int descriptor = disk_.open_root(path);
  if (descriptor >= 0 && journal_) journal_->open_root(descriptor, path);
  return descriptor;
}

int FaultFileSystem::open(int folder, const std::string& name, int flags, mode_t mode) {
  const std::lock_guard lock(mutex_);
  if (begin(FileCall::kOpen) == Outcome::kFails) return -1;
  const int descriptor = disk_.open(folder, name, flags, mode);
  if (descriptor >= 0 && journal_) journal_->open(folder, name, flags, descriptor);
  return descriptor;
}

int FaultFileSystem::close(int descriptor) {
  const std::lock_guard lock(mutex_);
  const bool fails = begin(FileCall::kClose) == Outcome::kFails;
  if (journal_) journal_->close(descriptor);
  const int result = disk_.close(descriptor);
  if (fails) errno = fault_.error;
  return fails ? -1 : result;
}

ssize_t FaultFileSystem::pread(int descriptor, void* data, std::size_t bytes,
                               off_t offset) {
  const std::lock_guard lock(mutex_);
  const Outcome outcome = begin(FileCall::kPread);
  if (outcome == Outcome::kFails) return -1;
  if (outcome == Outcome::kIsShort) bytes = part_of(bytes);
  return disk_.pread(descriptor, data, bytes, offset);
}

ssize_t FaultFileSystem::pwrite(int descriptor, const void* data, std::size_t bytes,
                                off_t offset) {
  const std::lock_guard lock(mutex_);
  const Outcome outcome = begin(FileCall::kPwrite);
  if (outcome == Outcome::kFails) return -1;
  if (outcome == Outcome::kIsShort) bytes = part_of(bytes);
  const ssize_t count = disk_.pwrite(descriptor, data, bytes, offset);
  if (count > 0 && journal_) {
    journal_->write(descriptor, data, static_cast<std::size_t>(count), offset);
  }
  return count;
}

int FaultFileSystem::fallocate(int descriptor, off_t bytes) {
  const std::lock_guard lock(mutex_);
  if (begin(FileCall::kFallocate) == Outcome::kFails) return -1;
  const int result = disk_.fallocate(descriptor, bytes);
  if (result == 0 && journal_) journal_->grow(descriptor, bytes);
  return result;
}

int FaultFileSystem::ftruncate(int descriptor, off_t bytes) {
  const std::lock_guard lock(mutex_);
  if (begin(FileCall::kFtruncate) == Outcome::kFails) return -1;
  const int result = disk_.ftruncate(descriptor, bytes);
  if (result == 0 && journal_) journal_->resize(descriptor, bytes);
  return result;
}

int FaultFileSystem::fsync(int descriptor) {
  const std::lock_guard lock(mutex_);
  const bool fails = begin(FileCall::kFsync) == Outcome::kFails;
  const int result = fails ? -1 : disk_.fsync(descriptor);
  const int error = errno;
  if (journal_) journal_->sync(descriptor, result != 0);
  errno = error;
  return result;
}

int FaultFileSystem::fstat(int descriptor, struct stat& status) {
  const std::lock_guard lock(mutex_);
  if (begin(FileCall::kFstat) == Outcome::kFails) return -1;
  return disk_.fstat(descriptor, status);
}

int FaultFileSystem::fstatat(int folder, const std::string& name, struct stat& status) {
  const std::lock_guard lock(mutex_);
  if (begin(FileCall::kFstatat) == Outcome::kFails) return -1;
  return disk_.fstatat(folder, name, status);
}

int FaultFileSystem::fstatvfs(int descriptor, struct statvfs& status) {
  const std::lock_guard lock(mutex_);
  if (begin(FileCall::kFstatvfs) == Outcome::kFails) return -1;
  return disk_.fstatvfs(descriptor, status);
}

// Not under the mutex: it may wait for another thread's lock.
int FaultFileSystem::flock(int descriptor, int operation) {
  {
    const std::lock_guard lock(mutex_);
    if (begin(FileCall::kFlock) == Outcome::kFails) return -1;
  }
  return disk_.flock(descriptor, operation);
}

int FaultFileSystem::mkdir(int folder, const std::string& name, mode_t mode) {
  const std::lock_guard lock(mutex_);
  if (begin(FileCall::kMkdir) == Outcome::kFails) return -1;
  const int result = disk_.mkdir(folder, name, mode);
  if (result == 0 && journal_) journal_->make_folder(folder, name);
  return result;
}

int FaultFileSystem::rename(int folder, const std::string& from,
                            const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (begin(FileCall::kRename) == Outcome::kFails) return -1;
  const int result = disk_.rename(folder, from, to);
  if (result == 0 && journal_) journal_->rename(folder, from, to);
  return result;
}

int FaultFileSystem::unlink(int folder, const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (begin(FileCall::kUnlink) == Outcome::kFails) return -1;
  const int result = disk_.unlink(folder, name);
  if (result == 0 && journal_) journal_->remove(folder, name);
  return result;
}

int FaultFileSystem::rmdir(int folder, const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (begin(FileCall::kRmdir) == Outcome::kFails) return -1;
  const int result = disk_.rmdir(folder, name);
  if (result == 0 && journal_) journal_->remove(folder, name);
  return result;
}

int FaultFileSystem::list(int folder, std::vector<std::string>& names) {
  const std::lock_guard lock(mutex_);
  if (begin(FileCall::kList) == Outcome::kFails) return -1;
  return disk_.list(folder, names);
}

}  // namespace shardopt::test
