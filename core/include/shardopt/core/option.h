/// Options as users meet them: name, meaning, default and what is allowed, in one
/// list per struct, from which they are parsed, checked, printed and documented.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace shardopt {

/// A value of an option; monostate where an optional one is unset.
using OptionValue = std::variant<std::monostate, bool, int64_t, double, std::string>;

/// As a user would type it; "unset" for monostate. Doubles read back exactly.
[[nodiscard]] std::string to_string(const OptionValue& value);

/// An interval of numbers. NaN lies in none.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_open = false;  ///< `min` itself is not allowed.
  bool max_open = false;

  [[nodiscard]] bool contains(double value) const;
  /// ">= 0", "[0, 1)", "any number", ...
  [[nodiscard]] std::string text() const;
};

inline constexpr Range kPositive{.min = 0.0, .min_open = true};
inline constexpr Range kNonNegative{.min = 0.0};
inline constexpr Range kFraction{.min = 0.0, .max = 1.0, .max_open = true};  // [0, 1)
inline constexpr Range kUnit{.min = 0.0, .max = 1.0};                        // [0, 1]

/// One member of a struct. `get` and `set` refer to that struct: use them while it
/// lives. A double option takes integers too; infinities and NaN are never allowed.
struct Option {
  std::string name;
  std::string help;
  std::string type;     ///< "number", "integer", "flag" or "text".
  std::string allowed;  ///< For messages: ">= 0", "adamw | lion".
  std::function<OptionValue()> get{};
  std::function<void(const OptionValue&)> set{};
  /// What is wrong with a value, as "is -1; allowed: >= 0"; "" if nothing is.
  std::function<std::string(const OptionValue&)> problem{};
};

[[nodiscard]] Option make_option(std::string name, double& target, Range range,
                                 std::string help);
[[nodiscard]] Option make_option(std::string name, std::optional<double>& target,
                                 Range range, std::string help);
[[nodiscard]] Option make_option(std::string name, int64_t& target, Range range,
                                 std::string help);
[[nodiscard]] Option make_option(std::string name, std::optional<int64_t>& target,
                                 Range range, std::string help);
[[nodiscard]] Option make_option(std::string name, bool& target, std::string help);
[[nodiscard]] Option make_option(std::string name, std::optional<bool>& target,
                                 std::string help);
[[nodiscard]] Option make_option(std::string name, std::string& target,
                                 std::string help);
[[nodiscard]] Option make_option(std::string name, std::optional<std::string>& target,
                                 std::string help);

/// A text that must be one of `choices`.
[[nodiscard]] Option make_choice(std::string name, std::string& target,
                                 std::vector<std::string> choices, std::string help);

/// The same for an enumeration, whose values have these names.
template <typename Enum>
[[nodiscard]] Option make_choice(std::string name, Enum& target,
                                 std::vector<std::pair<std::string, Enum>> choices,
                                 std::string help);

/// Throws ConfigError, as "adamw: beta1 is 1.5; allowed: [0, 1)", at the first value
/// that is not allowed.
void check_options(std::string_view owner, std::span<const Option> options);

template <typename Enum>
Option make_choice(std::string name, Enum& target,
                   std::vector<std::pair<std::string, Enum>> choices,
                   std::string help) {
  std::string unused;
  std::vector<std::string> names;
  for (const auto& [choice, value] : choices) names.push_back(choice);
  Option option =
      make_choice(std::move(name), unused, std::move(names), std::move(help));
  option.get = [&target, choices]() -> OptionValue {
    for (const auto& [choice, value] : choices) {
      if (value == target) return choice;
    }
    return "?";
  };
  option.set = [&target, choices](const OptionValue& text) {
    for (const auto& [choice, value] : choices) {
      if (choice == std::get<std::string>(text)) target = value;
    }
  };
  return option;
}

}  // namespace shardopt
