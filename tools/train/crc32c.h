/// CRC32C (Castagnoli): iSCSI's, TFRecord's, and that of text in memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shardopt::train {

[[nodiscard]] uint32_t crc32c(const void* data, std::size_t size_bytes);

}  // namespace shardopt::train
