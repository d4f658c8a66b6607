#include "shardopt/core/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace shardopt {

uint32_t crc32c(const void* data, std::size_t bytes, uint32_t before) {
  constexpr std::size_t kChunkBytes = std::size_t{1} << 30;  // It takes an int.
  // Not written to; its type just lacks the const.
  auto* next = static_cast<unsigned char*>(const_cast<void*>(data));
  uint32_t crc = ~before;
  while (bytes > 0) {
    const std::size_t chunk_bytes = std::min(bytes, kChunkBytes);
    crc = crc32_iscsi(next, static_cast<int>(chunk_bytes), crc);
    next += chunk_bytes;
    bytes -= chunk_bytes;
  }
  return ~crc;
}

}  // namespace shardopt
