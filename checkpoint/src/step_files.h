/// The data files of one step, open for reading.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "files.h"
#include "shardopt/checkpoint/manifest.h"

namespace shardopt::checkpoint {

/// Opens each file at its first use and checks its length and its header's CRC then.
/// Throws CheckpointFailure naming the file.
///
/// Thread safety: full.
class StepFiles {
 public:
  /// `manifest` outlives this.
  StepFiles(FileSystem& files, const std::filesystem::path& folder,
            const Manifest& manifest);

  [[nodiscard]] const Handle& file(uint32_t index);

  /// The bytes in front of a file's data, checked.
  [[nodiscard]] std::string header(uint32_t index);

  /// One block of a shard, verified, into `data` of its length.
  void read_block(const StoredTensor& tensor, const StoredShard& shard, int64_t block,
                  int64_t block_bytes, char* data);

 private:
  struct Slot {
    std::once_flag once;
    std::optional<Handle> handle;
  };

  void open(uint32_t index, Slot& slot);

  const Manifest& manifest_;
  const Handle step_;
  std::optional<Handle> attempt_;
  std::vector<std::unique_ptr<Slot>> slots_;  // by file
};

}  // namespace shardopt::checkpoint
