#include "apply_file.h"

#include <algorithm>

#include "shardopt/config/load_config.h"

#include "assign.h"
#include "fail.h"
#include "option_tree.h"
#include "parse_file.h"

namespace shardopt::config {
namespace {

std::string location(const ConfigText& file, int line) {
  if (file.name.empty()) return "";
  std::string text = file.name;
  if (file.has_lines && line > 0) text.append(":").append(std::to_string(line));
  return text.append(": ");
}

// A wrongly written value's message names its type; add what the field allows.
std::string with_allowed(const FileProblem& problem) {
  TrainConfig defaults = defaults_with_entries();
  const Block root = make_option_tree(defaults);
  const Option* option = find_option(root, first_entry(problem.path));
  const bool is_said = option == nullptr || option->type == "flag" ||
                       option->allowed == "any text" || option->allowed == "any number";
  return problem.text + (is_said ? "" : ", " + option->allowed);
}

void resize_lists(const ConfigText& file, const ParsedFile& parsed,
                  TrainConfig& config) {
  for (const BlockList& list : block_lists(config)) {
    const auto count = std::ranges::count_if(
        parsed.blocks,
        [&](const std::string& block) { return block.starts_with(list.path + "["); });
    if (count > kMaxEntries) {
      fail(location(file, 0), list.path, " has ", count, " entries; allowed: up to ",
           kMaxEntries);
    }
    list.resize(static_cast<std::size_t>(count));
  }
}

}  // namespace

void apply_file(const ConfigText& file, TrainConfig& config) {
  const auto result = parse_file(file.text, file.syntax);
  if (const auto* problem = std::get_if<FileProblem>(&result)) {
    fail(location(file, problem->line), with_allowed(*problem));
  }
  const auto& parsed = std::get<ParsedFile>(result);
  resize_lists(file, parsed, config);
  config.given.insert(parsed.blocks.begin(), parsed.blocks.end());
  const Block root = make_option_tree(config);
  for (const FileField& field : parsed.fields) {
    const std::string problem = assign(config, root, field.path, field.value);
    if (!problem.empty()) fail(location(file, field.line), problem);
    config.given.insert(field.path);
  }
}

}  // namespace shardopt::config
