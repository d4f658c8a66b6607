/// A Manifest as Protobuf bytes (manifest.proto). Sees no LibTorch, whose package may
/// bring another Protobuf.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shardopt/checkpoint/manifest.h"

namespace shardopt::checkpoint {

inline constexpr int kMaxStateDepth = 16;

/// The same bytes for the same manifest.
[[nodiscard]] std::string encode_manifest(const Manifest& manifest);

/// Empty, or what is wrong: not Protobuf, nested deeper than kMaxStateDepth, keys twice
/// or not sorted, numbers that do not fit. Whether the manifest makes sense is
/// manifest_check's to say. Memory is bounded by the bytes given.
[[nodiscard]] std::string decode_manifest(std::string_view bytes, Manifest& manifest);

/// What one rank has written, for rank 0 to merge. Shard::file indexes `files`.
struct RankPart {
  std::vector<DataFile> files{};  ///< None or one.
  std::vector<StoredTensor> tensors{};
};
[[nodiscard]] std::string encode_part(const RankPart& part);
[[nodiscard]] std::string decode_part(std::string_view bytes, RankPart& part);

}  // namespace shardopt::checkpoint
