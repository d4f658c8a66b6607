#include "read_text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "shardopt/config/load_config.h"

#include "fail.h"
#include "text.h"

namespace shardopt::config {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

class FileHandle {
 public:
  explicit FileHandle(int descriptor) : descriptor_(descriptor) {}
  ~FileHandle() { ::close(descriptor_); }
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  [[nodiscard]] int get() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

void check_is_small_file(const std::string& name, int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) fail(name, ": ", std::strerror(errno));
  if (S_ISDIR(status.st_mode)) fail(name, ": is a folder; a file is needed");
  if (!S_ISREG(status.st_mode)) fail(name, ": is no regular file");
  if (status.st_size > kMaxFileBytes) {
    fail(name, ": has ", status.st_size, " bytes; allowed: up to ", kMaxFileBytes);
  }
}

// Never more than one byte beyond the limit, should the file grow meanwhile.
std::string read_all(const std::string& name, int descriptor) {
  std::string text(static_cast<std::size_t>(kMaxFileBytes) + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = ::read(descriptor, text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(name, ": cannot be read: ", std::strerror(errno));
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  if (size == text.size()) fail(name, ": allowed: up to ", kMaxFileBytes, " bytes");
  text.resize(size);
  return text;
}

void check_utf8(const std::string& name, const std::string& text) {
  const std::optional<std::size_t> invalid = find_invalid_utf8(text);
  if (!invalid) return;
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(*invalid);
  fail(name, ":", 1 + std::count(text.begin(), end, '\n'), ": byte ", *invalid,
       " is not UTF-8 text");
}

}  // namespace

std::string read_text(const std::filesystem::path& path) {
  const std::string& name = path.native();
  // Without O_NONBLOCK a pipe that nobody writes would be waited for.
  const int descriptor = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail(name, ": cannot be opened: ", std::strerror(errno));
  const FileHandle file(descriptor);
  check_is_small_file(name, descriptor);
  std::string text = read_all(name, descriptor);
  check_utf8(name, text);
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  return text;
}

}  // namespace shardopt::config
