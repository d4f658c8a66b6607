#include "output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "shardopt/core/error.h"

namespace shardopt::train {

namespace {

// Not with O_TRUNC: what is kept must not be gone for a moment.
int open_cut(const std::filesystem::path& path, int64_t kept_bytes) {
  const bool is_new = kept_bytes == 0;
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (is_new ? O_TRUNC : 0);
  const int descriptor = ::open(path.c_str(), flags, 0666);
  if (descriptor < 0 || is_new || ::ftruncate(descriptor, kept_bytes) == 0) {
    return descriptor;
  }
  const int cause = errno;
  ::close(descriptor);
  errno = cause;
  return -1;
}

}  // namespace

OutputFile::OutputFile(std::filesystem::path path, int64_t kept_bytes)
    : path_(std::move(path)), descriptor_(open_cut(path_, kept_bytes)) {
  if (descriptor_ >= 0) return;
  SHARDOPT_THROW(ConfigError, path_.string(),
                 " cannot be written: ", std::strerror(errno));
}

OutputFile::~OutputFile() { ::close(descriptor_); }

void OutputFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      SHARDOPT_THROW(ConfigError, path_.string(),
                     ": writing failed: ", std::strerror(errno));
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace shardopt::train
