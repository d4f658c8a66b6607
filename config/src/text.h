/// Text for messages and for files.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace shardopt::config {

/// Offset of the first byte that no well-formed UTF-8 sequence covers.
[[nodiscard]] std::optional<std::size_t> find_invalid_utf8(std::string_view text);

/// `text` as a string literal of Protobuf's text format: it reads back byte for byte.
[[nodiscard]] std::string quote(std::string_view text);

/// `text` without line breaks or other control characters, its middle left out if it
/// has more than `max_bytes`.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t max_bytes);

}  // namespace shardopt::config
