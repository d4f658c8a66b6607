/// The 32 bytes before a MANIFEST's payload, which protect it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shardopt::checkpoint {

inline constexpr std::size_t kFrameBytes = 32;
inline constexpr uint64_t kMaxPayloadBytes = uint64_t{1} << 30;

/// magic[8] | u16 major | u16 minor | u32 flags = 0 | u64 payload bytes |
/// u32 crc32c(payload) | u32 crc32c(first 28 bytes), then the payload. Little-endian.
[[nodiscard]] std::string add_frame(std::string_view payload);

/// The payload of a whole file's bytes. Throws CheckpointFailure (kCorrupt;
/// kUnsupported for a newer major version) without the file's name.
[[nodiscard]] std::string_view check_frame(std::string_view file);

}  // namespace shardopt::checkpoint
