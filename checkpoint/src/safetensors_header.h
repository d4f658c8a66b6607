/// The header of a safetensors file: which tensor lies where.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <c10/core/ScalarType.h>

namespace shardopt::checkpoint {

inline constexpr int64_t kLengthBytes = 8;  ///< Little-endian length of the JSON.
inline constexpr int64_t kMaxHeaderBytes = 100'000'000;  ///< Of the JSON; the format's.

/// Bytes `begin` to `end` of the data, which begin behind the header.
struct TensorEntry {
  std::string name;
  at::ScalarType dtype = at::kFloat;
  std::vector<int64_t> shape{};
  int64_t begin = 0;
  int64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<TensorEntry> entries{};  ///< In the order of their bytes.
  std::map<std::string, std::string> metadata{};
};

/// The bytes before the data: length, JSON, and spaces up to a multiple of 4096.
///
/// Throws CheckpointError if a name is not UTF-8, holds a NUL or is "__metadata__", or
/// if the JSON is longer than kMaxHeaderBytes.
[[nodiscard]] std::string encode_header(const SafetensorsHeader& header);

/// Reads the JSON of a file whose data have `data_bytes` bytes.
///
/// Throws CheckpointError, without the file's name, if a rule of the format is broken.
[[nodiscard]] SafetensorsHeader parse_header(std::string_view json, int64_t data_bytes);

}  // namespace shardopt::checkpoint
