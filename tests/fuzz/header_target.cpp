#include <cstring>
#include <limits>
#include <string_view>

#include "fuzz/fuzz_target.h"
#include "safetensors_header.h"
#include "shardopt/core/error.h"

namespace shardopt::fuzz {

int64_t accepted = 0;

namespace {

using namespace checkpoint;

void check(const SafetensorsHeader& header, int64_t data_bytes) {
  int64_t end = 0;
  for (const TensorEntry& entry : header.entries) {
    require(entry.begin == end && entry.end >= entry.begin, "no hole, no overlap");
    end = entry.end;
    auto bytes = static_cast<int64_t>(c10::elementSize(entry.dtype));
    for (const int64_t size : entry.shape) bytes *= size;
    require(bytes == entry.end - entry.begin, "bytes for each element");
  }
  require(end == data_bytes, "the tensors fill the data");
}

// Entries in another order or with other spaces are the same header.
void check_again(const SafetensorsHeader& header, int64_t data_bytes) {
  const std::string bytes = encode_header(header);
  const SafetensorsHeader again =
      parse_header(std::string_view(bytes).substr(kLengthBytes), data_bytes);
  require(encode_header(again) == bytes, "what is read is written the same");
}

void run(std::string_view json, int64_t data_bytes) {
  SafetensorsHeader header;
  try {
    header = parse_header(json, data_bytes);
  } catch (const CheckpointError&) {
    return;
  }
  ++accepted;
  check(header, data_bytes);
  check_again(header, data_bytes);
}

}  // namespace
}  // namespace shardopt::fuzz

// Eight bytes, little-endian: how long the data are. Then the JSON.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t bytes) {
  uint64_t data_bytes = 0;
  if (bytes < sizeof data_bytes) return 0;
  std::memcpy(&data_bytes, data, sizeof data_bytes);
  data_bytes &= std::numeric_limits<int64_t>::max();
  const auto* json = reinterpret_cast<const char*>(data) + sizeof data_bytes;
  shardopt::fuzz::run({json, bytes - sizeof data_bytes},
                      static_cast<int64_t>(data_bytes));
  return 0;
}
