#include "apply_file.h"

#include <algorithm>

#include "shardopt/config/load_config.h"

#include "assign.h"
#include "fail.h"
#include "option_tree.h"
#include "parse_file.h"
#include "read_text.h"

namespace shardopt::config {
namespace {

Syntax syntax_of(const std::filesystem::path& path, const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_object = first != std::string::npos && text[first] == '{';
  return is_object || path.extension() == ".json" ? Syntax::kJson : Syntax::kText;
}

std::string location(const std::filesystem::path& path, int line) {
  std::string text = path.native();
  if (line > 0) text.append(":").append(std::to_string(line));
  return text.append(": ");
}

// A wrongly written value's message names its type; add what the field allows.
std::string with_allowed(const FileProblem& problem) {
  TrainConfig defaults;
  defaults.optimizer.groups.resize(1);
  const Block root = make_option_tree(defaults);
  const Option* option = find_option(root, first_entry(problem.path));
  const bool is_said = option == nullptr || option->type == "flag" ||
                       option->allowed == "any text" || option->allowed == "any number";
  return problem.text + (is_said ? "" : ", " + option->allowed);
}

void resize_groups(const std::filesystem::path& path, const ParsedFile& file,
                   TrainConfig& config) {
  const auto count = std::ranges::count_if(file.blocks, [](const std::string& block) {
    return block.starts_with("optimizer.group[");
  });
  if (count > kMaxGroups) {
    fail(location(path, 0), "optimizer.group has ", count, " entries; allowed: up to ",
         kMaxGroups);
  }
  config.optimizer.groups.resize(static_cast<std::size_t>(count));
}

}  // namespace

void apply_file(const std::filesystem::path& path, TrainConfig& config) {
  const std::string text = read_text(path);
  const auto parsed = parse_file(text, syntax_of(path, text));
  if (const auto* problem = std::get_if<FileProblem>(&parsed)) {
    fail(location(path, problem->line), with_allowed(*problem));
  }
  const auto& file = std::get<ParsedFile>(parsed);
  resize_groups(path, file, config);
  for (const std::string& block : file.blocks) note_algorithm(block, config);
  const Block root = make_option_tree(config);
  for (const FileField& field : file.fields) {
    const std::string problem = assign(config, root, field.path, field.value);
    if (!problem.empty()) fail(location(path, field.line), problem);
  }
}

}  // namespace shardopt::config
