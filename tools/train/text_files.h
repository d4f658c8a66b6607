/// Text as bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace shardopt::train {

/// The bytes of the file `path`, or of all regular files below the folder `path`,
/// sorted by path, one behind the other. Hidden files and folders (".name") are left
/// out, and links to folders are not followed. Any size that fits into memory.
///
/// Throws ConfigError, naming data.path, the file and the cause, if `path` is missing,
/// unreadable, neither a file nor a folder, or holds no byte, and if a link below it
/// leads nowhere.
[[nodiscard]] std::vector<uint8_t> read_text(const std::filesystem::path& path);

}  // namespace shardopt::train
