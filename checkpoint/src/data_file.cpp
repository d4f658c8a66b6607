#include "data_file.h"

#include <algorithm>
#include <compare>
#include <utility>

#include <nlohmann/json.hpp>

#include "paths.h"
#include "safetensors_dtypes.h"
#include "safetensors_header.h"
#include "shardopt/core/crc32c.h"

namespace shardopt::checkpoint {
namespace {

// A 0-d tensor stays one.
std::vector<int64_t> shape_of(const FlatTensor& tensor, const Piece& piece) {
  std::vector<int64_t> shape = tensor.shape;
  if (!shape.empty()) shape.front() = piece.rows;
  return shape;
}

// Where each tensor of the file lies in the whole one, as torch's reader wants it.
std::string sharding_info(const FlatState& flat, const std::vector<Piece>& pieces) {
  nlohmann::json info = nlohmann::json::object();
  for (const Piece& piece : pieces) {
    std::vector<int64_t> offsets(flat.tensors[piece.tensor].shape.size(), 0);
    if (!offsets.empty()) offsets.front() = piece.row_begin;
    info[piece.name] = {{"saved_offsets", offsets}};
  }
  return info.dump();
}

}  // namespace

DataLayout lay_out(const FlatState& flat, std::vector<Piece> pieces,
                   const Stamp& stamp) {
  const auto element_size = [&](const Piece& piece) {
    return flat.tensors[piece.tensor].local.element_size();
  };
  std::ranges::sort(pieces, [&](const Piece& a, const Piece& b) {
    const auto difference = element_size(a) <=> element_size(b);
    return difference != 0 ? difference > 0 : a.name < b.name;
  });
  SafetensorsHeader header{
      .metadata = {{"format", "pt"},
                   {"shardopt_attempt", stamp.attempt},
                   {"shardopt_rank", std::to_string(stamp.rank)},
                   {"shardopt_step", std::to_string(stamp.step)},
                   {"DCP_SHARDING_INFO", sharding_info(flat, pieces)},
                   {"DCP_VERSION", "1.0"}}};
  int64_t end = 0;
  for (const Piece& piece : pieces) {
    const FlatTensor& tensor = flat.tensors[piece.tensor];
    const int64_t begin = std::exchange(end, end + piece.rows * row_bytes(tensor));
    header.entries.push_back(
        {piece.name, tensor.local.scalar_type(), shape_of(tensor, piece), begin, end});
  }
  DataLayout layout{.head = encode_header(header), .pieces = std::move(pieces)};
  const auto data_begin = static_cast<int64_t>(layout.head.size());
  for (const TensorEntry& entry : header.entries) {
    layout.offsets.push_back(data_begin + entry.begin);
  }
  layout.bytes = data_begin + end;
  return layout;
}

RankPart describe(const FlatState& flat, const DataLayout& layout, int rank) {
  RankPart part;
  if (layout.pieces.empty()) return part;
  part.files.push_back({.name = data_file_name(rank),
                        .bytes = layout.bytes,
                        .data_begin = static_cast<int64_t>(layout.head.size()),
                        .header_crc = crc32c(layout.head.data(), layout.head.size()),
                        .writer_rank = rank});
  for (std::size_t i = 0; i < layout.pieces.size(); ++i) {
    const Piece& piece = layout.pieces[i];
    const FlatTensor& tensor = flat.tensors[piece.tensor];
    StoredTensor stored{.name = piece.name,
                        .dtype = std::string(*dtype_name(tensor.local.scalar_type())),
                        .shape = tensor.shape,
                        .aliases = tensor.aliases};
    stored.shards.push_back({.row_begin = piece.row_begin,
                             .rows = piece.rows,
                             .offset = layout.offsets[i],
                             .bytes = piece.rows * row_bytes(tensor)});
    part.tensors.push_back(std::move(stored));
  }
  return part;
}

}  // namespace shardopt::checkpoint
