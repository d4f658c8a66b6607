/// A small text file, whole.
#pragma once

#include <filesystem>
#include <string>

namespace shardopt::config {

/// The bytes of `path`, a regular file of at most kMaxFileBytes in UTF-8, without the
/// byte order mark that may precede it.
///
/// Throws ConfigError, naming `path`, if it is none or cannot be read; a file that is
/// too large is not read.
[[nodiscard]] std::string read_text(const std::filesystem::path& path);

}  // namespace shardopt::config
