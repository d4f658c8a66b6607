#include "shardopt/core/option.h"

#include <charconv>
#include <cmath>

#include "shardopt/core/error.h"
#include "shardopt/core/names.h"

namespace shardopt {
namespace {

std::string shortest(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

std::optional<double> as_number(const OptionValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    return static_cast<double>(*integer);
  }
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return std::nullopt;
}

std::string disallowed(const OptionValue& value, const std::string& allowed) {
  return "is " + to_string(value) + "; allowed: " + allowed;
}

Option make_number(std::string name, Range range, std::string help) {
  Option option{.name = std::move(name),
                .help = std::move(help),
                .type = "number",
                .allowed = range.text()};
  option.problem = [range](const OptionValue& value) -> std::string {
    const std::optional<double> number = as_number(value);
    if (!number) return disallowed(value, "a number");
    return range.contains(*number) ? "" : disallowed(value, range.text());
  };
  return option;
}

// `option`, whose problem is known, as one of `target`, which may be unset.
template <typename T>
Option made_optional(Option option, std::optional<T>& target) {
  option.get = [&target]() -> OptionValue {
    return target ? OptionValue(*target) : OptionValue();
  };
  option.set = [&target](const OptionValue& value) {
    target.reset();
    if (const auto* set = std::get_if<T>(&value)) target = *set;
  };
  option.problem = [inner = option.problem](const OptionValue& value) {
    return std::holds_alternative<std::monostate>(value) ? "" : inner(value);
  };
  return option;
}

}  // namespace

std::string to_string(const OptionValue& value) {
  struct Printer {
    std::string operator()(std::monostate) const { return "unset"; }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(int64_t integer) const { return std::to_string(integer); }
    std::string operator()(double number) const { return shortest(number); }
    std::string operator()(const std::string& text) const { return "'" + text + "'"; }
  };
  return std::visit(Printer{}, value);
}

bool Range::contains(double value) const {
  const bool above = min_open ? value > min : value >= min;
  const bool below = max_open ? value < max : value <= max;
  return above && below && std::isfinite(value);
}

std::string Range::text() const {
  const bool has_min = std::isfinite(min);
  const bool has_max = std::isfinite(max);
  if (has_min && has_max) {
    return (min_open ? "(" : "[") + shortest(min) + ", " + shortest(max) +
           (max_open ? ")" : "]");
  }
  if (has_min) return (min_open ? "> " : ">= ") + shortest(min);
  if (has_max) return (max_open ? "< " : "<= ") + shortest(max);
  return "any number";
}

Option make_option(std::string name, double& target, Range range, std::string help) {
  Option option = make_number(std::move(name), range, std::move(help));
  option.get = [&target]() -> OptionValue { return target; };
  option.set = [&target](const OptionValue& value) {
    target = as_number(value).value();
  };
  return option;
}

Option make_option(std::string name, std::optional<double>& target, Range range,
                   std::string help) {
  Option option =
      made_optional(make_number(std::move(name), range, std::move(help)), target);
  option.set = [&target](const OptionValue& value) { target = as_number(value); };
  return option;
}

Option make_option(std::string name, int64_t& target, Range range, std::string help) {
  Option option = make_number(std::move(name), range, std::move(help));
  option.type = "integer";
  option.get = [&target]() -> OptionValue { return target; };
  option.set = [&target](const OptionValue& value) {
    target = std::get<int64_t>(value);
  };
  option.problem = [range](const OptionValue& value) -> std::string {
    const auto* integer = std::get_if<int64_t>(&value);
    if (integer == nullptr) return disallowed(value, "a whole number");
    return range.contains(static_cast<double>(*integer))
               ? ""
               : disallowed(value, range.text());
  };
  return option;
}

Option make_option(std::string name, std::optional<int64_t>& target, Range range,
                   std::string help) {
  int64_t unused = 0;
  return made_optional(make_option(std::move(name), unused, range, std::move(help)),
                       target);
}

Option make_option(std::string name, bool& target, std::string help) {
  return {
      .name = std::move(name),
      .help = std::move(help),
      .type = "flag",
      .allowed = "true | false",
      .get = [&target]() -> OptionValue { return target; },
      .set = [&target](const OptionValue& value) { target = std::get<bool>(value); },
      .problem = [](const OptionValue& value) -> std::string {
        const bool is_flag = std::holds_alternative<bool>(value);
        return is_flag ? "" : disallowed(value, "true | false");
      }};
}

Option make_option(std::string name, std::optional<bool>& target, std::string help) {
  bool unused = false;
  return made_optional(make_option(std::move(name), unused, std::move(help)), target);
}

Option make_option(std::string name, std::string& target, std::string help) {
  return {
      .name = std::move(name),
      .help = std::move(help),
      .type = "text",
      .allowed = "any text",
      .get = [&target]() -> OptionValue { return target; },
      .set = [&target](
                 const OptionValue& value) { target = std::get<std::string>(value); },
      .problem = [](const OptionValue& value) -> std::string {
        const bool is_text = std::holds_alternative<std::string>(value);
        return is_text ? "" : disallowed(value, "text");
      }};
}

Option make_option(std::string name, std::optional<std::string>& target,
                   std::string help) {
  std::string unused;
  return made_optional(make_option(std::move(name), unused, std::move(help)), target);
}

Option make_choice(std::string name, std::string& target,
                   std::vector<std::string> choices, std::string help) {
  Option option = make_option(std::move(name), target, std::move(help));
  option.allowed = c10::Join(" | ", choices);
  option.problem = [choices, allowed = option.allowed](const OptionValue& value) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return disallowed(value, allowed);
    for (const auto& choice : choices) {
      if (choice == *text) return std::string();
    }
    return disallowed(value, allowed) + did_you_mean(*text, choices);
  };
  return option;
}

void check_options(std::string_view owner, std::span<const Option> options) {
  for (const Option& option : options) {
    const std::string problem = option.problem(option.get());
    if (problem.empty()) continue;
    SHARDOPT_THROW(ConfigError, owner, ": ", option.name, " ", problem);
  }
}

}  // namespace shardopt
