#include "assign.h"

#include <c10/util/Exception.h>

namespace shardopt::config {
namespace {

// A path that ends at its first zero byte is not the one that was meant.
bool has_zero_byte(const OptionValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr && text->find('\0') != std::string::npos;
}

}  // namespace

std::string assign(TrainConfig& config, const Block& root, const std::string& path,
                   const OptionValue& value) {
  if (has_zero_byte(value)) return path + " contains a zero byte";
  if (path.starts_with(kNamedValues)) {
    config.optimizer.options.insert_or_assign(path.substr(kNamedValues.size()), value);
    return "";
  }
  const Option* option = find_option(root, path);
  TORCH_CHECK(option != nullptr, "field ", path, " of the schema has no option");
  const std::string problem = option->problem(value);
  if (!problem.empty()) return path + " " + problem;
  option->set(value);
  return "";
}

std::string first_entry(std::string_view path) {
  std::string first;
  bool is_index = false;
  for (const char letter : path) {
    if (letter == ']') is_index = false;
    if (!is_index) first += letter;
    if (letter == '[') {
      is_index = true;
      first += '0';
    }
  }
  return first;
}

}  // namespace shardopt::config
