/// Which rank writes what.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "flat_state.h"

namespace shardopt::checkpoint {

/// Rows of one tensor that this rank writes. A 0-d tensor is one row.
struct Piece {
  std::string name;        ///< In the manifest.
  std::size_t tensor = 0;  ///< Index into FlatState::tensors.
  int64_t row_begin = 0;   ///< In the whole tensor.
  int64_t rows = 0;
  int64_t local_begin = 0;  ///< The first of them in FlatTensor::local.
};

/// The pieces of world rank `rank` of `shards` x `copies`, each tensor at most once.
///
/// What several ranks hold is written once: large pieces are cut into one range of rows
/// per holder, small ones go whole to the holder that has least, largest first.
/// First-rank tensors and those without bytes are rank 0's. Pure, and the pieces of all
/// ranks tile every tensor, since all ranks have the same list of tensors.
[[nodiscard]] std::vector<Piece> plan_pieces(const FlatState& flat, int rank,
                                             int shards, int copies);

/// Bytes of one row of `tensor`, and of a number of them.
[[nodiscard]] int64_t row_bytes(const FlatTensor& tensor);

}  // namespace shardopt::checkpoint
