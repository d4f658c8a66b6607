#include "apply_override.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

#include "shardopt/config/load_config.h"

#include "assign.h"
#include "fail.h"
#include "option_tree.h"
#include "schema.h"

namespace shardopt::config {
namespace {

/// Nothing if `text` is not a number of this type from its first to its last letter.
template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::optional<OptionValue> parse_flag(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

/// Nothing if `text` does not spell a value of the option's type.
std::optional<OptionValue> parse_value(std::string_view text, const Option& option) {
  const bool is_optional = option.problem(OptionValue()).empty();
  if (text == "unset" && is_optional) return OptionValue();
  if (option.type == "text") return std::string(text);
  if (option.type == "flag") return parse_flag(text);
  if (text == "unset") return OptionValue();
  if (option.type == "integer") return parse_number<int64_t>(text);
  return parse_number<double>(text);
}

/// For an option whose type is not known here.
OptionValue guess_value(std::string_view text) {
  if (const auto flag = parse_flag(text)) return *flag;
  if (const auto integer = parse_number<int64_t>(text)) return *integer;
  if (const auto number = parse_number<double>(text)) return *number;
  return std::string(text);
}

std::string_view noun_of(const Option& option) {
  if (option.type == "flag") return "a flag";
  return option.type == "integer" ? "a whole number" : "a number";
}

/// Appends the entry of `list` that `path` speaks of, if it is the next one.
/// Returns what is wrong with its index, "" if nothing is.
std::string make_room(std::string_view path, const BlockList& list) {
  const std::string_view rest = path.substr(list.path.size() + 1);
  const auto index = parse_number<uint64_t>(rest.substr(0, rest.find(']')));
  const uint64_t last = std::min<uint64_t>(list.size, kMaxEntries - 1);
  if (!index || *index > last || !rest.starts_with(std::to_string(*index) + "].")) {
    return "there are " + std::to_string(list.size) + " " + list.entries +
           "; allowed: an index from " + list.path + "[0] to " + list.path + "[" +
           std::to_string(last) + "]";
  }
  if (*index == list.size) list.resize(list.size + 1);
  return "";
}

/// The same, for the list that `path` leads through, if any.
std::string make_room(std::string_view path, TrainConfig& config) {
  for (const BlockList& list : block_lists(config)) {
    if (path.starts_with(list.path + "[")) return make_room(path, list);
  }
  return "";
}

std::string apply(const std::string& path, std::string_view text, TrainConfig& config) {
  if (path.starts_with(kNamedValues) && path.size() > kNamedValues.size()) {
    return assign(config, Block{}, path, guess_value(text));
  }
  if (path.starts_with(kNamedValues.substr(0, kNamedValues.size() - 1))) {
    return "allowed: optimizer.options.NAME=value";
  }
  if (std::string problem = path_problem(path); !problem.empty()) return problem;
  if (std::string problem = make_room(path, config); !problem.empty()) return problem;
  const Block root = make_option_tree(config);
  const Option* option = find_option(root, path);
  TORCH_CHECK(option != nullptr, "field ", path, " of the schema has no option");
  const std::optional<OptionValue> value = parse_value(text, *option);
  if (!value) {
    return "not " + std::string(noun_of(*option)) + "; allowed: " + option->allowed;
  }
  return assign(config, root, path, *value);
}

}  // namespace

void apply_override(std::string_view assignment, TrainConfig& config) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    fail("--set ", assignment, ": allowed: path=value, as optimizer.lr=0.01");
  }
  const std::string path(assignment.substr(0, equals));
  const std::string problem = apply(path, assignment.substr(equals + 1), config);
  if (!problem.empty()) fail("--set ", assignment, ": ", problem);
  config.given.insert(path);
}

}  // namespace shardopt::config
