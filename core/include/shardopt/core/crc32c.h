/// CRC32C (Castagnoli): that of iSCSI, TFRecord, and of checkpoints' blocks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shardopt {

/// Of `bytes` bytes at `data`, behind a text whose CRC is `before` (0: none).
[[nodiscard]] uint32_t crc32c(const void* data, std::size_t bytes, uint32_t before = 0);

}  // namespace shardopt
