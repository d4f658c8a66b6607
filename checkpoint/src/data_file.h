/// One rank's safetensors file, before its bytes are written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "manifest_codec.h"
#include "write_plan.h"

namespace shardopt::checkpoint {

/// What each data file says of itself, in its metadata.
struct Stamp {
  std::string attempt;
  int64_t step = 0;
  int rank = 0;
};

/// Pieces in the order of their bytes, and where each begins.
struct DataLayout {
  std::string head;  ///< Length and header; the data begin behind it.
  std::vector<Piece> pieces{};
  std::vector<int64_t> offsets{};  ///< In the file, by piece.
  int64_t bytes = 0;               ///< Of the whole file.
};

/// As FORMAT.md describes; torch's HuggingFaceStorageReader can read it too. `pieces`
/// are not empty. Throws CheckpointFailure if the header is too long.
[[nodiscard]] DataLayout lay_out(const FlatState& flat, std::vector<Piece> pieces,
                                 const Stamp& stamp);

/// Pieces as the manifest lists them; block CRCs are for the writer to fill in.
[[nodiscard]] RankPart describe(const FlatState& flat, const DataLayout& layout,
                                int rank);

}  // namespace shardopt::checkpoint
