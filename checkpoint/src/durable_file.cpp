#include "durable_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <utility>

#include "shardopt/core/error.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kWriteBytes = 1U << 30;  // Linux writes less than 2 GiB at once.

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// Beside the target, for a rename within one file system; hidden, and never the same.
fs::path temporary_name(const fs::path& path) {
  std::random_device random;
  const uint64_t number = (static_cast<uint64_t>(random()) << 32) | random();
  char suffix[32];
  std::snprintf(suffix, sizeof suffix, ".%016llx.tmp",
                static_cast<unsigned long long>(number));
  return folder_of(path) / ("." + path.filename().string() + suffix);
}

}  // namespace

DurableFile::DurableFile(fs::path path)
    : path_(std::move(path)), temporary_(temporary_name(path_)) {
  descriptor_ = ::open(temporary_.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("creating a file in its folder failed", errno);
}

DurableFile::~DurableFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void DurableFile::write(const void* data, std::size_t size_bytes) {
  const char* next = static_cast<const char*>(data);
  while (size_bytes > 0) {
    const ssize_t written =
        ::write(descriptor_, next, std::min(size_bytes, kWriteBytes));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("writing failed", errno);
    next += written;
    size_bytes -= static_cast<std::size_t>(written);
  }
}

// A sync that failed is never tried again: the kernel may have dropped the pages.
void DurableFile::commit() {
  if (::fsync(descriptor_) != 0) fail("fsync failed", errno);
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("close failed", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename failed", errno);
  temporary_.clear();
  sync_folder();
}

void DurableFile::sync_folder() const {
  const int folder =
      ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) fail("opening its folder failed", errno);
  const int error = ::fsync(folder) == 0 ? 0 : errno;
  ::close(folder);
  if (error != 0) fail("fsync of its folder failed", error);
}

void DurableFile::fail(const char* what, int error) const {
  SHARDOPT_THROW(CheckpointError, path_.string(), ": ", what, ": ",
                 std::strerror(error));
}

}  // namespace shardopt::checkpoint
