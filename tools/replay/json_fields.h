/// Values out of JSON, or errors that say where they stand.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json.hpp>

#include "shardopt/core/error.h"

namespace shardopt::replay {

using Json = nlohmann::json;

/// Throws ConfigError, one line, as "gradients[2]: has 3 entries; allowed: 2".
template <typename... Args>
[[noreturn]] void refuse(const std::string& field, const Args&... args) {
  SHARDOPT_THROW(ConfigError, field, ": ", args...);
}

/// `text` as an object without a key that is there twice. Throws ConfigError as above,
/// or with line and column where it is no JSON.
[[nodiscard]] Json parse_object(const std::string& text);

/// Throws ConfigError unless every key of the object `json` is among `known`; `field`
/// names the object, "" for the root.
void check_keys(const Json& json, const std::string& field,
                std::span<const std::string> known);

/// The value of `key`. Throws ConfigError if it is not there.
[[nodiscard]] const Json& required(const Json& json, const std::string& field,
                                   const std::string& key);

/// What follows throws ConfigError if `json`, which is at `field`, is of another type
/// or outside of what is allowed.

[[nodiscard]] const Json& as_list(const Json& json, const std::string& field);
[[nodiscard]] std::string as_text(const Json& json, const std::string& field);
[[nodiscard]] int64_t as_integer(const Json& json, const std::string& field,
                                 int64_t min, int64_t max);

enum class Values : uint8_t {
  kFinite,
  kAny  ///< "inf", "-inf" and "nan" too.
};

/// `shape`, of `dtype`, filled row-major from a list of as many numbers.
[[nodiscard]] at::Tensor as_tensor(const Json& json, const std::string& field,
                                   std::span<const int64_t> shape, at::ScalarType dtype,
                                   Values allowed);

/// "parameters[3]".
[[nodiscard]] std::string entry(const std::string& list, std::size_t index);

}  // namespace shardopt::replay
