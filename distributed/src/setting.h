/// One setting of a job, with the name that messages call it by.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "shardopt/core/error.h"
#include "shardopt/distributed/launch.h"

namespace shardopt::distributed {

/// What the user or a launcher said, and where: "RANK" or "--rank".
template <typename T>
struct Setting {
  std::string name;
  std::optional<T> value{};

  /// "RANK is 3", "MASTER_ADDR is empty" or "RANK is not set".
  [[nodiscard]] std::string text() const {
    if (!value) return name + " is not set";
    if constexpr (std::is_same_v<T, std::string>) {
      if (value->empty()) return name + " is empty";
    }
    return c10::str(name, " is ", *value);
  }
};

/// `text`, which is that of `name`, as a number; ConfigError if it is none.
template <typename T>
[[nodiscard]] T parse_number(const std::string& name, std::string_view text) {
  T value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    SHARDOPT_THROW(ConfigError, name, " is '", text, "'; allowed: a whole number");
  }
  return value;
}

/// A variable that holds a number, or no value if it is unset.
template <typename T = int>
[[nodiscard]] Setting<T> read_number(const std::string& name,
                                     const Environment& environment) {
  const auto text = environment(name);
  if (!text) return {name};
  return {name, parse_number<T>(name, *text)};
}

/// Throws ConfigError unless a value is there.
template <typename T>
void check_given(const Setting<T>& setting, const std::string& allowed) {
  if (!setting.value)
    SHARDOPT_THROW(ConfigError, setting.text(), "; allowed: ", allowed);
}

/// Throws ConfigError unless the value lies in `min` to `max`; `why` ends the message.
template <typename T>
void check_range(const Setting<T>& setting, T min, T max, const std::string& why) {
  if (min <= *setting.value && *setting.value <= max) return;
  SHARDOPT_THROW(ConfigError, setting.text(), "; allowed: ", min, " to ", max, why);
}

/// Throws ConfigError if one is given without the other.
template <typename T, typename U>
void check_both_or_neither(const Setting<T>& one, const Setting<U>& other) {
  if (one.value.has_value() == other.value.has_value()) return;
  const std::string given = one.value ? one.text() : other.text();
  const std::string missing = one.value ? other.text() : one.text();
  SHARDOPT_THROW(ConfigError, given, " but ", missing, "; allowed: both or neither");
}

}  // namespace shardopt::distributed
