/// JSON as safetensors' header uses it.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace shardopt::checkpoint {

/// The JSON object in `text`. Throws CheckpointError if it is not one, holds a key
/// twice, a text with a NUL, bytes that are not UTF-8, or nests deeper than a header
/// can.
[[nodiscard]] nlohmann::json parse_json(std::string_view text);

/// `text` as a JSON string. Throws CheckpointError if it is not UTF-8 or holds a NUL.
[[nodiscard]] std::string quote(std::string_view text);

}  // namespace shardopt::checkpoint
