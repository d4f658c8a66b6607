/// Looking into a checkpoint without the objects that it is of.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include <ATen/core/Tensor.h>

#include "shardopt/checkpoint/file_system.h"
#include "shardopt/checkpoint/manifest.h"

namespace shardopt::checkpoint {

/// Bytes looked at so far, of all.
using ProgressCall = std::function<void(int64_t done_bytes, int64_t total_bytes)>;

/// Reads every byte of a step: headers against their CRCs and against the MANIFEST, all
/// blocks against theirs. `threads` >= 1 read at a time. Throws CheckpointFailure,
/// naming file, tensor, offset, and what was found, at the first thing that is wrong.
void verify_step(const std::filesystem::path& folder, FileSystem& files, int threads,
                 const ProgressCall& progress = {});

/// One whole tensor, verified, in CPU memory. Throws as verify_step, and kMismatch if
/// there is none of that name.
[[nodiscard]] at::Tensor read_tensor(const std::filesystem::path& folder,
                                     const Manifest& manifest, const std::string& name,
                                     FileSystem& files);

}  // namespace shardopt::checkpoint
