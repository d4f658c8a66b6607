/// Whether a manifest makes sense, before any file of it is opened.
#pragma once

#include "shardopt/checkpoint/manifest.h"

namespace shardopt::checkpoint {

/// Throws CheckpointFailure: kUnsupported for required features that are not known
/// (naming them), kUnsafePath for file names, kCorrupt for all else: names not legal or
/// not rising, an unknown dtype, shards that overlap, leave a hole or exceed the shape,
/// bytes that are not those of rows x dtype, offsets outside the file or that overlap,
/// two shards of a tensor in one file, products that overflow, wrong numbers of CRCs, a
/// total that is not the sum, a state that names no tensor, tensors that no state
/// names, aliases that are names already. Linear in the manifest's size but for
/// sorting; allocates no more than it has.
void check_manifest(const Manifest& manifest);

/// Bytes of one element, or 0 for an unknown safetensors dtype.
[[nodiscard]] int64_t element_bytes(const std::string& dtype);

}  // namespace shardopt::checkpoint
