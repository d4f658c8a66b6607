/// Weights in one safetensors file, which other programs read too.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

namespace shardopt::checkpoint {

/// What a safetensors file holds. Names and metadata are UTF-8 without NUL; the name
/// "__metadata__" is the format's own.
struct SafetensorsFile {
  std::map<std::string, at::Tensor> tensors{};  // [*] each
  std::map<std::string, std::string> metadata{};
};

/// Writes `contents` to `path`, durably and at once: under another name first, synced,
/// then renamed over whatever file `path` was. A reader, or a restart after a power
/// cut, sees the old file or the new one.
///
/// Tensors may lie on any device, in any layout of strides; they are copied to the CPU
/// one at a time. The bytes are a function of the contents alone: the data start at a
/// multiple of 4096, tensors ordered by falling size of dtype, then by name.
///
/// Throws CheckpointError, naming the path and the cause, if a tensor is undefined,
/// sparse or of a dtype that the format lacks, if a name is not allowed, or if the disk
/// fails. `path` is then what it was, and no other file remains; only if the sync of
/// the folder itself fails, which comes last, is `path` already the new file.
void write_safetensors(const std::filesystem::path& path,
                       const SafetensorsFile& contents);

/// Reads the whole file into CPU memory.
///
/// Throws CheckpointError, naming the path and the cause, if the file cannot be read or
/// breaks a rule of the format: header longer than the file or than 100,000,000 bytes,
/// not JSON, a key twice, an unknown field or dtype, a size that overflows or differs
/// from the shape's, data with a hole, an overlap or bytes behind the last tensor.
/// Nothing is allocated beyond the file's own size.
[[nodiscard]] SafetensorsFile read_safetensors(const std::filesystem::path& path);

}  // namespace shardopt::checkpoint
