#include "event_file.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "event_record.h"
#include "shardopt/core/crc32c.h"
#include "shardopt/core/error.h"

namespace shardopt::train {
namespace {

namespace fs = std::filesystem;

double wall_time_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// TensorBoard looks for "tfevents" and reads the files of a folder in order of name.
fs::path event_path(const fs::path& folder) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  const std::string name = "events.out.tfevents." +
                           std::to_string(static_cast<int64_t>(wall_time_seconds())) +
                           "." + host.data() + "." + std::to_string(::getpid());
  // In a container each run may be the process of the same number.
  for (int i = 0;; ++i) {
    const fs::path path = folder / (name + "." + std::to_string(i));
    if (!fs::exists(path)) return path;
  }
}

fs::path made(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    SHARDOPT_THROW(ConfigError, folder.string(), " cannot be made: ", error.message());
  }
  return folder;
}

std::string little_endian(uint64_t value, int size_bytes) {
  std::string bytes;
  for (int i = 0; i < size_bytes; ++i) {
    bytes += static_cast<char>(value >> (8 * i) & 0xff);
  }
  return bytes;
}

// TFRecord's mask: a CRC of data that hold CRCs would be weak.
std::string masked_crc(const std::string& data) {
  const uint32_t crc = crc32c(data.data(), data.size());
  const uint32_t rotated = crc >> 15 | crc << 17;
  return little_endian(rotated + 0xa282ead8U, 4);
}

}  // namespace

EventFile::EventFile(const fs::path& folder, int64_t resumed)
    : file_(event_path(made(folder))) {
  append_record(encode_file_version(wall_time_seconds()));
  if (resumed == 0) return;
  append_record(encode_session_start(wall_time_seconds(), resumed + 1));
}

void EventFile::append(const StepMetrics& metrics) {
  std::vector<Scalar> scalars{{"tokens", static_cast<double>(metrics.tokens)}};
  const auto add = [&](const char* tag, const std::optional<double>& value) {
    if (value.has_value()) scalars.push_back({tag, *value});
  };
  add("loss", metrics.loss);
  add("val_loss", metrics.val_loss);
  add("lr", metrics.lr);
  add("grad_norm", metrics.grad_norm);
  add("tokens_per_second", metrics.tokens_per_second);
  append_record(encode_scalars(wall_time_seconds(), metrics.step, scalars));
}

// One record: length, its CRC, the data, their CRC.
void EventFile::append_record(const std::string& event) {
  const std::string length = little_endian(event.size(), 8);
  file_.append(length + masked_crc(length) + event + masked_crc(event));
}

}  // namespace shardopt::train
