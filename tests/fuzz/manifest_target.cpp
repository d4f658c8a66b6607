#include <string>

#include "frame.h"
#include "fuzz/fuzz_target.h"
#include "manifest_check.h"
#include "manifest_codec.h"
#include "read_plan.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/root.h"

namespace shardopt::fuzz {

int64_t accepted = 0;

namespace {

using namespace checkpoint;

constexpr char kWholeFile = 'F';

// The frame's CRCs keep damaged bytes from the decoder: unless the first byte is an F,
// the rest is a payload, and gets a frame that fits.
std::string file_of(const std::string& input) {
  const std::string rest = input.substr(1);
  return input.front() == kWholeFile ? rest : add_frame(rest);
}

// What a reader of the whole tensor would read, and how long it takes it to be.
void check_reads(const Manifest& manifest, const StoredTensor& tensor) {
  const int64_t rows = tensor.shape.empty() ? 1 : tensor.shape.front();
  int64_t bytes = element_bytes(tensor.dtype);
  for (std::size_t i = 1; i < tensor.shape.size(); ++i) bytes *= tensor.shape[i];
  bytes *= rows;
  for (const BlockRead& read : plan_reads(tensor, manifest.block_bytes, 0, rows)) {
    const StoredShard& shard = tensor.shards[read.shard];
    const DataFile& file = manifest.files.at(shard.file);
    const int64_t begin = shard.offset + read.block * manifest.block_bytes;
    require(begin >= file.data_begin && begin + read.block_bytes <= file.bytes,
            "blocks are within the file's data");
    require(read.block < static_cast<int64_t>(shard.block_crcs.size()),
            "each block has a CRC");
    bytes -= read.end - read.begin;
  }
  require(bytes == 0, "the shards make the whole tensor");
}

void run(const std::string& file) {
  Manifest manifest;
  try {
    manifest = parse_manifest(file, "MANIFEST");
  } catch (const CheckpointFailure&) {
    return;
  }
  ++accepted;
  const std::string payload = encode_manifest(manifest);
  const Manifest again = parse_manifest(add_frame(payload), "its copy");
  require(encode_manifest(again) == payload, "what is read is written the same");
  for (const StoredTensor& tensor : manifest.tensors) {
    require(find_tensor(manifest, tensor.name) == &tensor, "each tensor is found");
    check_reads(manifest, tensor);
  }
}

}  // namespace
}  // namespace shardopt::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t bytes) {
  if (bytes == 0) return 0;
  const std::string input(reinterpret_cast<const char*>(data), bytes);
  shardopt::fuzz::run(shardopt::fuzz::file_of(input));
  return 0;
}
