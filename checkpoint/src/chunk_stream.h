/// Bytes of a file in order, gathered into chunks, with the CRC of each block.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "staging.h"

namespace shardopt::checkpoint {

/// The filling end of a Staging.
class ChunkStream {
 public:
  explicit ChunkStream(Staging& staging) : staging_(staging) {}

  /// Adds bytes of the file. False once the staging was stopped.
  [[nodiscard]] bool put(const void* data, std::size_t bytes);

  /// The bytes that follow are a piece's: their blocks' CRCs go into `crcs`.
  void begin_blocks(std::vector<uint32_t>& crcs, int64_t block_bytes);
  void end_blocks();

  /// Hands over what is left.
  void end();

 private:
  void add_to_crcs(const char* data, std::size_t bytes);

  Staging& staging_;
  std::optional<Chunk> chunk_;
  int64_t offset_ = 0;  // Of the next chunk.
  std::vector<uint32_t>* crcs_ = nullptr;
  std::size_t block_bytes_ = 0;
  std::size_t in_block_ = 0;
  uint32_t crc_ = 0;
};

}  // namespace shardopt::checkpoint
