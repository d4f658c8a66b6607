#include "safetensors_header.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include <nlohmann/json.hpp>

#include "safetensors_dtypes.h"
#include "safetensors_json.h"
#include "shardopt/core/error.h"

namespace shardopt::checkpoint {
namespace {

using nlohmann::json;

constexpr std::string_view kMetadata = "__metadata__";
constexpr int64_t kAlignmentBytes = 4096;  // Of the data in the file, for direct I/O.

std::string entry_json(const TensorEntry& entry) {
  const json fields = {{"dtype", *dtype_name(entry.dtype)},
                       {"shape", entry.shape},
                       {"data_offsets", {entry.begin, entry.end}}};
  return quote(entry.name) + ":" + fields.dump();
}

std::string metadata_json(const std::map<std::string, std::string>& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    text += (text.empty() ? "" : ",") + quote(key) + ":" + quote(value);
  }
  return "\"" + std::string(kMetadata) + "\":{" + text + "}";
}

std::string length_bytes(uint64_t length) {
  std::string bytes;
  for (int i = 0; i < kLengthBytes; ++i) {
    bytes += static_cast<char>(length >> (8 * i) & 0xff);
  }
  return bytes;
}

// Whole, not negative, and an int64_t: 1.0, 1e3, -1 and 2^63 are none.
int64_t parse_count(const json& value, std::string_view what, const std::string& name) {
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (!value.is_number_unsigned() || value.get<uint64_t>() > kMax) {
    SHARDOPT_THROW(CheckpointError, "tensor ", name, ": ", what, " holds ",
                   value.dump(), "; allowed: whole numbers from 0 to 2^63 - 1");
  }
  return value.get<int64_t>();
}

std::vector<int64_t> parse_counts(const json& fields, const char* what,
                                  const std::string& name) {
  const json& values = fields.at(what);
  if (!values.is_array()) {
    SHARDOPT_THROW(CheckpointError, "tensor ", name, ": ", what, " is not an array");
  }
  std::vector<int64_t> counts;
  for (const json& value : values) counts.push_back(parse_count(value, what, name));
  return counts;
}

at::ScalarType parse_dtype(const json& fields, const std::string& name) {
  const json& value = fields.at("dtype");
  if (value.is_string()) {
    const auto dtype = dtype_named(value.get<std::string>());
    if (dtype.has_value()) return *dtype;
  }
  SHARDOPT_THROW(CheckpointError, "tensor ", name, ": dtype is ", value.dump(),
                 "; allowed: ", dtype_names());
}

void check_fields(const json& fields, const std::string& name) {
  const auto known = {"dtype", "shape", "data_offsets"};
  const bool complete =
      fields.is_object() && fields.size() == known.size() &&
      std::ranges::all_of(known, [&](const char* key) { return fields.contains(key); });
  if (complete) return;
  SHARDOPT_THROW(CheckpointError, "tensor ", name,
                 " needs exactly the fields dtype, shape and data_offsets");
}

int64_t size_bytes(const TensorEntry& entry, const std::string& name) {
  auto bytes = static_cast<int64_t>(c10::elementSize(entry.dtype));
  for (const int64_t dim : entry.shape) {
    if (__builtin_mul_overflow(bytes, dim, &bytes)) {
      SHARDOPT_THROW(CheckpointError, "tensor ", name,
                     ": the size of its shape overflows");
    }
  }
  return bytes;
}

TensorEntry parse_entry(const std::string& key, const json& fields) {
  const std::string name = quote(key);
  check_fields(fields, name);
  const std::vector<int64_t> offsets = parse_counts(fields, "data_offsets", name);
  if (offsets.size() != 2) {
    SHARDOPT_THROW(CheckpointError, "tensor ", name, ": data_offsets has ",
                   offsets.size(), " numbers; it needs 2");
  }
  TensorEntry entry{key, parse_dtype(fields, name), parse_counts(fields, "shape", name),
                    offsets[0], offsets[1]};
  const int64_t bytes = size_bytes(entry, name);
  if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
    SHARDOPT_THROW(CheckpointError, "tensor ", name, ": its shape has ", bytes,
                   " bytes, but data_offsets are ", entry.begin, " to ", entry.end);
  }
  return entry;
}

std::map<std::string, std::string> parse_metadata(const json& fields) {
  std::map<std::string, std::string> metadata;
  const bool texts =
      fields.is_object() &&
      std::ranges::all_of(fields, [](const json& v) { return v.is_string(); });
  if (!texts) {
    SHARDOPT_THROW(CheckpointError, kMetadata, " is not an object of texts");
  }
  for (const auto& [key, value] : fields.items()) metadata[key] = value;
  return metadata;
}

// In the order of their bytes, the entries must fill the data without hole or overlap.
void check_cover(const std::vector<TensorEntry>& entries, int64_t data_bytes) {
  int64_t end = 0;
  for (const TensorEntry& entry : entries) {
    if (entry.begin != end) {
      SHARDOPT_THROW(CheckpointError, "tensor ", quote(entry.name), " begins at byte ",
                     entry.begin, " of the data, where the tensors before it end at ",
                     end);
    }
    end = entry.end;
  }
  if (end != data_bytes) {
    SHARDOPT_THROW(CheckpointError, "the tensors have ", end,
                   " bytes, but the file holds ", data_bytes);
  }
}

}  // namespace

std::string encode_header(const SafetensorsHeader& header) {
  std::string text = "{";
  if (!header.metadata.empty()) text += metadata_json(header.metadata);
  for (const TensorEntry& entry : header.entries) {
    if (entry.name == kMetadata) {
      SHARDOPT_THROW(CheckpointError, "no tensor may be named ", kMetadata);
    }
    text += (text == "{" ? "" : ",") + entry_json(entry);
  }
  text += "}";
  const auto used = kLengthBytes + static_cast<int64_t>(text.size());
  text.append((kAlignmentBytes - used % kAlignmentBytes) % kAlignmentBytes, ' ');
  if (static_cast<int64_t>(text.size()) > kMaxHeaderBytes) {
    SHARDOPT_THROW(CheckpointError, "the header has ", text.size(),
                   " bytes; allowed: ", kMaxHeaderBytes);
  }
  return length_bytes(text.size()) + text;
}

SafetensorsHeader parse_header(std::string_view json_text, int64_t data_bytes) {
  if (!json_text.starts_with('{')) {
    SHARDOPT_THROW(CheckpointError, "the header does not begin with '{'");
  }
  const json parsed = parse_json(json_text);
  SafetensorsHeader header;
  for (const auto& [name, fields] : parsed.items()) {
    if (name == kMetadata) {
      header.metadata = parse_metadata(fields);
    } else {
      header.entries.push_back(parse_entry(name, fields));
    }
  }
  std::ranges::sort(header.entries, {}, [](const TensorEntry& entry) {
    return std::tuple(entry.begin, entry.end);  // Empty ones before their neighbour.
  });
  check_cover(header.entries, data_bytes);
  return header;
}

}  // namespace shardopt::checkpoint
