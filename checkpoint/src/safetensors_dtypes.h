/// Which dtypes safetensors and LibTorch share.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <c10/core/ScalarType.h>

namespace shardopt::checkpoint {

/// The format's name of a dtype, as "BF16"; nullopt if it has none.
[[nodiscard]] std::optional<std::string_view> dtype_name(at::ScalarType dtype);

/// The dtype of that name; nullopt if LibTorch has none.
[[nodiscard]] std::optional<at::ScalarType> dtype_named(std::string_view name);

/// All names, for messages.
[[nodiscard]] std::string dtype_names();

}  // namespace shardopt::checkpoint
