#include "output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "shardopt/core/error.h"

namespace shardopt::train {

OutputFile::OutputFile(std::filesystem::path path)
    : path_(std::move(path)),
      descriptor_(
          ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
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
