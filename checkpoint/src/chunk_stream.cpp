#include "chunk_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "shardopt/core/crc32c.h"

namespace shardopt::checkpoint {
namespace {

constexpr std::size_t kSliceBytes = std::size_t{128} << 10;  // Stays in a core's cache.

}  // namespace

// The CRC is that of the copy: what goes to the disk.
bool ChunkStream::put(const void* data, std::size_t bytes) {
  const auto* next = static_cast<const char*>(data);
  while (bytes > 0) {
    if (!chunk_.has_value()) {
      chunk_ = staging_.take_empty();
      if (!chunk_.has_value()) return false;
      chunk_->offset = offset_;
    }
    const std::size_t room = staging_.chunk_bytes() - chunk_->bytes;
    const std::size_t count = std::min({bytes, room, kSliceBytes});
    char* copy = chunk_->memory.get() + chunk_->bytes;
    std::memcpy(copy, next, count);
    if (crcs_ != nullptr) add_to_crcs(copy, count);
    chunk_->bytes += count;
    next += count;
    bytes -= count;
    if (count == room) end();
  }
  return true;
}

void ChunkStream::end() {
  if (!chunk_.has_value()) return;
  offset_ += static_cast<int64_t>(chunk_->bytes);
  staging_.put_full(*std::exchange(chunk_, std::nullopt));
}

void ChunkStream::begin_blocks(std::vector<uint32_t>& crcs, int64_t block_bytes) {
  crcs_ = &crcs;
  block_bytes_ = static_cast<std::size_t>(block_bytes);
  in_block_ = 0;
  crc_ = 0;
}

void ChunkStream::add_to_crcs(const char* data, std::size_t bytes) {
  while (bytes > 0) {
    const std::size_t count = std::min(bytes, block_bytes_ - in_block_);
    crc_ = crc32c(data, count, crc_);
    in_block_ += count;
    data += count;
    bytes -= count;
    if (in_block_ < block_bytes_) continue;
    crcs_->push_back(crc_);
    in_block_ = 0;
    crc_ = 0;
  }
}

void ChunkStream::end_blocks() {
  if (in_block_ > 0) crcs_->push_back(crc_);
  crcs_ = nullptr;
}

}  // namespace shardopt::checkpoint
