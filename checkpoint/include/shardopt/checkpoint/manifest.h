/// What a checkpoint's MANIFEST says, as plain values. FORMAT.md has the bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "shardopt/core/state_value.h"

namespace shardopt::checkpoint {

inline constexpr uint16_t kFormatMajor = 1;
inline constexpr uint16_t kFormatMinor = 0;

/// Rows [row_begin, row_begin + rows) of a tensor, in one file.
struct StoredShard {
  int64_t row_begin = 0;
  int64_t rows = 0;
  uint32_t file = 0;   ///< Index into Manifest::files.
  int64_t offset = 0;  ///< Of its first byte in that file.
  int64_t bytes = 0;
  std::vector<uint32_t> block_crcs{};  ///< CRC32C of each `block_bytes` of it.
};

/// A tensor and where its rows are: its shards, by falling no row, tile it exactly
/// once. A 0-d tensor counts as one row, one of no rows has no shards, or empty ones.
struct StoredTensor {
  std::string name;
  std::string dtype;             ///< As in safetensors: "F32", "BF16", "U8" ...
  std::vector<int64_t> shape{};  ///< Of the whole.
  std::vector<StoredShard> shards{};
  std::vector<std::string> aliases{};  ///< Other names in the model (tied weights).
};

/// One rank's safetensors file of one attempt.
struct DataFile {
  std::string name;  ///< In the attempt's folder: "rank-00003.safetensors".
  int64_t bytes = 0;
  int64_t data_begin = 0;   ///< Length of the header with its 8 bytes of length.
  uint32_t header_crc = 0;  ///< CRC32C of those bytes.
  int32_t writer_rank = 0;
};

/// The name of a StateTree's tensor in Manifest::tensors. Of a kPerRank one each rank r
/// has its own, called `tensor` + "@" + five digits of r.
struct TensorReference {
  std::string tensor;
  Spread spread = Spread::kReplicated;
};

/// A StateTree without its tensors' bytes.
struct StoredState {
  std::string kind;
  uint32_t version = 1;
  std::map<std::string, StateValue> values{};
  std::map<std::string, TensorReference> tensors{};
  std::map<std::string, StoredState> children{};
};

/// The ranks that wrote it.
struct StoredMesh {
  int32_t world_size = 1;
  int32_t copies = 1;  ///< Ranks that hold the same rows.
};

struct Manifest {
  uint32_t major = kFormatMajor;
  uint32_t minor = kFormatMinor;
  std::vector<std::string>
      required_features{};  ///< Who does not know one, must not read.
  std::vector<std::string> optional_features{};
  std::string attempt{};  ///< 32 hexadecimal digits; also in each data file's metadata.
  int64_t step = 0;
  int64_t created_unix_ns = 0;  ///< For people; nothing depends on it.
  std::string writer{};         ///< Program and version.
  StoredMesh mesh{};
  int64_t block_bytes = 0;  ///< Power of two, 64 KiB to 64 MiB.
  std::vector<DataFile> files{};
  std::vector<StoredTensor> tensors{};  ///< By rising name.
  StoredState state{};
  int64_t total_data_bytes = 0;  ///< Sum over shards.
  uint32_t config_crc = 0;       ///< CRC32C of config_text.
  std::string config_text{};     ///< The job's configuration, for people and `diff`.
};

/// Null if there is none of that name.
[[nodiscard]] const StoredTensor* find_tensor(const Manifest& manifest,
                                              const std::string& name);

/// Rows of a tensor of this shape; a 0-d one counts as one.
[[nodiscard]] inline int64_t row_count(const std::vector<int64_t>& shape) {
  return shape.empty() ? 1 : shape.front();
}

/// As in TensorReference: "rng/dropout@00003".
[[nodiscard]] std::string per_rank_name(const std::string& tensor, int rank);

}  // namespace shardopt::checkpoint
