#include "frame.h"

#include <array>
#include <bit>
#include <cstring>

#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/manifest.h"
#include "shardopt/core/crc32c.h"

namespace shardopt::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "as the format's numbers");

constexpr std::string_view kMagic("CKPTMAN\x01", 8);
constexpr std::size_t kMajorAt = 8;
constexpr std::size_t kMinorAt = 10;
constexpr std::size_t kFlagsAt = 12;
constexpr std::size_t kLengthAt = 16;
constexpr std::size_t kPayloadCrcAt = 24;
constexpr std::size_t kHeaderCrcAt = 28;

template <typename Number>
Number read(std::string_view bytes, std::size_t at) {
  Number number;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

template <typename Number>
void write(std::string& bytes, std::size_t at, Number number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);
}

}  // namespace

std::string add_frame(std::string_view payload) {
  TORCH_CHECK(payload.size() <= kMaxPayloadBytes, "a manifest of ", payload.size(),
              " bytes is too long; allowed: ", kMaxPayloadBytes);
  std::string bytes(kFrameBytes, '\0');
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  write<uint16_t>(bytes, kMajorAt, kFormatMajor);
  write<uint16_t>(bytes, kMinorAt, kFormatMinor);
  write<uint32_t>(bytes, kFlagsAt, 0);
  write<uint64_t>(bytes, kLengthAt, payload.size());
  write<uint32_t>(bytes, kPayloadCrcAt, crc32c(payload.data(), payload.size()));
  write<uint32_t>(bytes, kHeaderCrcAt, crc32c(bytes.data(), kHeaderCrcAt));
  return bytes.append(payload);
}

std::string_view check_frame(std::string_view file) {
  if (file.size() < kFrameBytes) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, "it has ", file.size(),
                             " bytes; a frame needs ", kFrameBytes);
  }
  if (!file.starts_with(kMagic)) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, "it does not start as a manifest does");
  }
  if (read<uint32_t>(file, kHeaderCrcAt) != crc32c(file.data(), kHeaderCrcAt)) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, "the CRC of its frame is wrong");
  }
  const auto major = read<uint16_t>(file, kMajorAt);
  if (major != kFormatMajor) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kUnsupported, "it is of format ", major, ".",
                             read<uint16_t>(file, kMinorAt),
                             "; this program reads format ", kFormatMajor);
  }
  if (read<uint32_t>(file, kFlagsAt) != 0) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kUnsupported, "its frame has unknown flags");
  }
  const auto length = read<uint64_t>(file, kLengthAt);
  if (length > kMaxPayloadBytes || length != file.size() - kFrameBytes) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, "its frame says ", length,
                             " bytes of payload, the file has ",
                             file.size() - kFrameBytes);
  }
  const std::string_view payload = file.substr(kFrameBytes);
  if (read<uint32_t>(file, kPayloadCrcAt) != crc32c(payload.data(), payload.size())) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, "the CRC of its payload is wrong");
  }
  return payload;
}

}  // namespace shardopt::checkpoint
