/// Random numbers that do not depend on the number of ranks.
#pragma once

#include <cstdint>
#include <string_view>

#include <ATen/core/Generator.h>

namespace shardopt {

/// A well-mixed 64-bit value of `seed` and `index` (splitmix64).
[[nodiscard]] uint64_t mix(uint64_t seed, uint64_t index);

/// The same for a text.
[[nodiscard]] uint64_t mix(uint64_t seed, std::string_view text);

/// A CPU generator of its own for everything that is called `name`, e.g. a parameter:
/// values drawn from it depend on seed and name alone, so a model starts with the same
/// weights whatever the world size and the order in which its parts are built.
[[nodiscard]] at::Generator make_named_generator(uint64_t seed, std::string_view name);

}  // namespace shardopt
