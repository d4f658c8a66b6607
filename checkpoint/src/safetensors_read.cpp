#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include <ATen/ops/empty.h>
#include <c10/core/TensorOptions.h>

#include "safetensors_header.h"
#include "shardopt/checkpoint/safetensors.h"
#include "shardopt/core/error.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "as the format's numbers");

constexpr int64_t kReadBytes = int64_t{1}
                               << 30;  // Linux reads less than 2 GiB at once.

[[noreturn]] void fail(const char* what) {
  SHARDOPT_THROW(CheckpointError, what, ": ", std::strerror(errno));
}

/// A regular file, open for reading.
class InputFile {
 public:
  // O_NONBLOCK: the opening of a pipe would wait for its writer.
  explicit InputFile(const fs::path& path)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_ < 0) fail("opening failed");
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile() { ::close(descriptor_); }

  [[nodiscard]] int64_t size_bytes() const {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) fail("fstat failed");
    if (!S_ISREG(status.st_mode)) {
      SHARDOPT_THROW(CheckpointError, "not a regular file");
    }
    return status.st_size;
  }

  void read(void* data, int64_t size_bytes, int64_t offset) const {
    char* next = static_cast<char*>(data);
    while (size_bytes > 0) {
      const ssize_t count =
          ::pread(descriptor_, next, std::min(size_bytes, kReadBytes), offset);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail("reading failed");
      if (count == 0) SHARDOPT_THROW(CheckpointError, "it became shorter while read");
      next += count;
      offset += count;
      size_bytes -= count;
    }
  }

 private:
  const int descriptor_;
};

std::string read_header(const InputFile& file, int64_t file_bytes) {
  uint64_t length = 0;
  if (file_bytes < kLengthBytes) {
    SHARDOPT_THROW(CheckpointError, "it has ", file_bytes, " bytes; a header needs ",
                   kLengthBytes, " at least");
  }
  file.read(&length, kLengthBytes, 0);
  if (length > static_cast<uint64_t>(kMaxHeaderBytes)) {
    SHARDOPT_THROW(CheckpointError, "its header has ", length,
                   " bytes; allowed: ", kMaxHeaderBytes);
  }
  if (static_cast<int64_t>(length) > file_bytes - kLengthBytes) {
    SHARDOPT_THROW(CheckpointError, "its header has ", length, " bytes, the file ",
                   file_bytes);
  }
  std::string text(length, '\0');
  file.read(text.data(), static_cast<int64_t>(length), kLengthBytes);
  return text;
}

SafetensorsFile read_contents(const InputFile& file) {
  const int64_t file_bytes = file.size_bytes();
  const std::string text = read_header(file, file_bytes);
  const int64_t data_begin = kLengthBytes + static_cast<int64_t>(text.size());
  SafetensorsHeader header = parse_header(text, file_bytes - data_begin);
  SafetensorsFile contents{.metadata = std::move(header.metadata)};
  for (TensorEntry& entry : header.entries) {
    const at::Tensor tensor = at::empty(entry.shape, entry.dtype);
    file.read(tensor.mutable_data_ptr(), entry.end - entry.begin,
              data_begin + entry.begin);
    contents.tensors.emplace(std::move(entry.name), tensor);
  }
  return contents;
}

}  // namespace

SafetensorsFile read_safetensors(const fs::path& path) {
  try {
    return read_contents(InputFile(path));
  } catch (const c10::Error& error) {
    SHARDOPT_THROW(CheckpointError, path.string(), ": ",
                   error.what_without_backtrace());
  }
}

}  // namespace shardopt::checkpoint
