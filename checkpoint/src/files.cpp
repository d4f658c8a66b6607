#include "files.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "shardopt/checkpoint/checkpoint_failure.h"

namespace shardopt::checkpoint {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // Linux: below 2 GiB a call.
constexpr mode_t kFileMode = 0666;
constexpr mode_t kFolderMode = 0777;

std::string join(const Handle& folder, const std::string& name) {
  return folder.path() + "/" + name;
}

[[noreturn]] void fail_irregular(const std::string& path) {
  SHARDOPT_CHECKPOINT_FAIL(Fault::kUnsafePath, path, ": it is no regular file");
}

Handle open_at(const Handle& folder, const std::string& name, int flags,
               const char* what) {
  FileSystem& files = folder.files();
  const int descriptor =
      retry([&] { return files.open(folder.descriptor(), name, flags, kFileMode); });
  if (descriptor < 0) fail_storage(join(folder, name), what, errno);
  return {files, descriptor, join(folder, name)};
}

struct stat status_of(const Handle& file) {
  struct stat status {};
  const int result =
      retry([&] { return file.files().fstat(file.descriptor(), status); });
  if (result != 0) fail_storage(file.path(), "cannot look at it", errno);
  return status;
}

// Of what is there under that name; nullopt if nothing is.
std::optional<struct stat> status_at(const Handle& folder, const std::string& name) {
  struct stat status {};
  const int result =
      retry([&] { return folder.files().fstatat(folder.descriptor(), name, status); });
  if (result == 0) return status;
  if (errno == ENOENT) return std::nullopt;
  fail_storage(join(folder, name), "cannot look at it", errno);
}

}  // namespace

Handle::Handle(Handle&& other) noexcept
    : files_(other.files_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)) {}

Handle& Handle::operator=(Handle&& other) noexcept {
  std::swap(files_, other.files_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

Handle::~Handle() {
  if (descriptor_ >= 0) files_->close(descriptor_);
}

// An interrupted close has closed: it is not tried again.
void Handle::close() {
  const int result = files_->close(std::exchange(descriptor_, -1));
  if (result != 0 && errno != EINTR) fail_storage(path_, "cannot close it", errno);
}

void fail_storage(const std::string& path, const std::string& what, int error) {
  Fault fault = Fault::kStorage;
  if (error == ENOENT) fault = Fault::kIncomplete;
  if (error == ELOOP || error == ENOTDIR || error == EISDIR || error == ENXIO) {
    fault = Fault::kUnsafePath;
  }
  SHARDOPT_CHECKPOINT_FAIL(fault, path, ": ", what, ": ", std::strerror(error));
}

Handle open_root(FileSystem& files, const std::string& path) {
  const int descriptor = retry([&] { return files.open_root(path); });
  if (descriptor < 0) fail_storage(path, "cannot open the folder", errno);
  return {files, descriptor, path};
}

Handle open_folder(const Handle& parent, const std::string& name) {
  return open_at(parent, name, O_RDONLY | O_DIRECTORY, "cannot open the folder");
}

Handle open_file(const Handle& folder, const std::string& name) {
  Handle file = open_at(folder, name, O_RDONLY, "cannot open it");
  if (!S_ISREG(status_of(file).st_mode)) fail_irregular(file.path());
  return file;
}

Handle create_file(const Handle& folder, const std::string& name, int flags) {
  return open_at(folder, name, O_WRONLY | O_CREAT | O_EXCL | flags, "cannot create it");
}

bool exists(const Handle& folder, const std::string& name) {
  return status_at(folder, name).has_value();
}

std::vector<std::string> list(const Handle& folder) {
  std::vector<std::string> names;
  const int result =
      retry([&] { return folder.files().list(folder.descriptor(), names); });
  if (result != 0) fail_storage(folder.path(), "cannot list it", errno);
  return names;
}

int64_t size_of(const Handle& file) { return status_of(file).st_size; }

int64_t size_of(const Handle& folder, const std::string& name) {
  const std::optional<struct stat> status = status_at(folder, name);
  if (!status.has_value()) fail_storage(join(folder, name), "cannot find it", ENOENT);
  if (!S_ISREG(status->st_mode)) fail_irregular(join(folder, name));
  return status->st_size;
}

void read_all(const Handle& file, void* data, std::size_t bytes, int64_t offset) {
  auto* next = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t count = retry([&] {
      return file.files().pread(file.descriptor(), next, std::min(bytes, kMostBytes),
                                offset);
    });
    if (count < 0) fail_storage(file.path(), "cannot read it", errno);
    if (count == 0) {
      SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, file.path(), ": it ends at byte ",
                               offset, ", ", bytes, " bytes too early");
    }
    next += count;
    offset += count;
    bytes -= static_cast<std::size_t>(count);
  }
}

void write_all(const Handle& file, const void* data, std::size_t bytes,
               int64_t offset) {
  const auto* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t count = retry([&] {
      return file.files().pwrite(file.descriptor(), next, std::min(bytes, kMostBytes),
                                 offset);
    });
    if (count <= 0)
      fail_storage(file.path(), "cannot write it", count < 0 ? errno : EIO);
    next += count;
    offset += count;
    bytes -= static_cast<std::size_t>(count);
  }
}

void sync(const Handle& file_or_folder) {
  if (file_or_folder.files().fsync(file_or_folder.descriptor()) == 0) return;
  fail_storage(file_or_folder.path(), "cannot sync it", errno);
}

std::string read_small_file(const Handle& folder, const std::string& name,
                            int64_t max_bytes) {
  const Handle file = open_file(folder, name);
  const int64_t bytes = size_of(file);
  if (bytes > max_bytes) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, file.path(), ": it has ", bytes,
                             " bytes; allowed: ", max_bytes);
  }
  std::string text(static_cast<std::size_t>(bytes), '\0');
  read_all(file, text.data(), text.size(), 0);
  return text;
}

void make_folder(const Handle& parent, const std::string& name) {
  const int result = retry(
      [&] { return parent.files().mkdir(parent.descriptor(), name, kFolderMode); });
  if (result != 0 && errno != EEXIST) {
    fail_storage(join(parent, name), "cannot make the folder", errno);
  }
  sync(parent);
}

void write_small_file(const Handle& folder, const std::string& name,
                      const std::string& bytes) {
  Handle file = create_file(folder, name);
  try {
    write_all(file, bytes.data(), bytes.size(), 0);
    sync(file);
    file.close();
  } catch (const CheckpointFailure&) {
    (void)folder.files().unlink(folder.descriptor(), name);
    throw;
  }
}

void replace_file(const Handle& folder, const std::string& name,
                  const std::string& temporary, const std::string& bytes) {
  write_small_file(folder, temporary, bytes);
  try {
    rename(folder, temporary, name);
  } catch (const CheckpointFailure&) {
    (void)folder.files().unlink(folder.descriptor(), temporary);
    throw;
  }
  sync(folder);
}

void rename(const Handle& folder, const std::string& from, const std::string& to) {
  const int result =
      retry([&] { return folder.files().rename(folder.descriptor(), from, to); });
  if (result != 0) fail_storage(join(folder, from), "cannot rename it to " + to, errno);
}

void remove_file(const Handle& folder, const std::string& name) {
  const int result =
      retry([&] { return folder.files().unlink(folder.descriptor(), name); });
  if (result != 0 && errno != ENOENT) {
    fail_storage(join(folder, name), "cannot remove it", errno);
  }
}

void remove_folder(const Handle& parent, const std::string& name) {
  const int result =
      retry([&] { return parent.files().rmdir(parent.descriptor(), name); });
  if (result != 0 && errno != ENOENT) {
    fail_storage(join(parent, name), "cannot remove the folder", errno);
  }
}

}  // namespace shardopt::checkpoint
