#include "text_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "shardopt/core/error.h"

namespace shardopt::train {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBytes = std::size_t{1} << 30;  // Below Linux's own limit.

[[noreturn]] void fail(const fs::path& path, const std::string& cause) {
  SHARDOPT_THROW(ConfigError, "data.path: ", path.string(), ": ", cause);
}

/// A regular file, open for reading.
class TextFile {
 public:
  // O_NONBLOCK: a pipe's opening would wait for its writer.
  explicit TextFile(const fs::path& path)
      : path_(path),
        descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_ < 0) fail(path_, std::strerror(errno));
  }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;
  ~TextFile() { ::close(descriptor_); }

  void append_to(std::vector<uint8_t>& text) const {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) fail(path_, std::strerror(errno));
    const auto size_bytes = static_cast<std::size_t>(status.st_size);
    const std::size_t begin = text.size();
    text.resize(begin + size_bytes);
    std::size_t done = 0;
    while (done < size_bytes) {
      const ssize_t count =
          ::pread(descriptor_, text.data() + begin + done,
                  std::min(size_bytes - done, kReadBytes), static_cast<off_t>(done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail(path_, std::strerror(errno));
      if (count == 0) fail(path_, "became shorter while it was read");
      done += static_cast<std::size_t>(count);
    }
  }

 private:
  const fs::path path_;
  const int descriptor_;
};

bool is_hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  fs::recursive_directory_iterator it(folder);
  for (; it != fs::recursive_directory_iterator(); ++it) {
    if (is_hidden(it->path())) {
      it.disable_recursion_pending();
      continue;
    }
    const fs::file_status status = it->status();  // Of what a link leads to.
    if (!fs::exists(status)) fail(it->path(), "leads nowhere");
    if (fs::is_regular_file(status)) files.push_back(it->path());
  }
  std::ranges::sort(files);
  return files;
}

std::vector<fs::path> files_of(const fs::path& path) {
  if (path.empty()) fail(path, "is not set; it names a file or a folder of text");
  try {
    const fs::file_status status = fs::status(path);
    if (fs::is_directory(status)) return files_below(path);
    if (fs::is_regular_file(status) || !fs::exists(status)) return {path};
  } catch (const fs::filesystem_error& error) {
    fail(error.path1().empty() ? path : error.path1(), error.code().message());
  }
  fail(path, "is neither a file nor a folder");
}

}  // namespace

std::vector<uint8_t> read_text(const fs::path& path) {
  const std::vector<fs::path> files = files_of(path);
  if (files.empty()) fail(path, "holds no file that is not hidden");
  std::vector<uint8_t> text;
  for (const fs::path& file : files) TextFile(file).append_to(text);
  if (text.empty()) fail(path, "is empty");
  return text;
}

}  // namespace shardopt::train
