#include "shardopt/config/topic_help.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "shardopt/core/coefficients.h"
#include "shardopt/core/names.h"
#include "shardopt/optim/algorithm_table.h"
#include "shardopt/optim/muon_presets.h"
#include "shardopt/optim/transform_options.h"

#include "fail.h"
#include "help_table.h"
#include "option_tree.h"

namespace shardopt::config {
namespace {

constexpr std::string_view kTransform = "transform";
constexpr std::size_t kSentenceWidth = 72;

/// "optimizer.group" of "optimizer.group[0]" and "optimizer.group[i]".
std::string without_index(std::string_view path) {
  std::string plain;
  bool is_index = false;
  for (const char letter : path) {
    is_index |= letter == '[';
    if (!is_index) plain += letter;
    is_index &= letter != ']';
  }
  return plain;
}

/// Every block in `root`, but not itself.
template <typename Visit>
void for_each_block(const Block& root, const Visit& visit) {
  for (const Block& block : root.blocks) {
    visit(block);
    for_each_block(block, visit);
  }
}

// Of the block at `path`, if it is an optimizer's own.
std::string algorithm_lines(std::string_view path) {
  constexpr std::string_view kBlock = "optimizer.";
  if (!path.starts_with(kBlock)) return "";
  const std::string_view name = path.substr(kBlock.size());
  const auto& table = optim::algorithm_table();
  const auto found = std::ranges::find(table, name, &optim::AlgorithmInfo::name);
  if (found == table.end()) return "";
  return "\nSource: " + found->source +
         "\nState, bytes per parameter of fp32: " + found->state +
         "\nApproximate where parameters are cut: " + found->sharded +
         "\nlr, weight_decay and what else every algorithm has: --help optimizer\n";
}

std::string preset_table() {
  std::string text = "\nPresets, with what they set below optimizer:\n";
  for (const optim::MuonPreset& preset : optim::muon_presets()) {
    text += "  " + preset.name + ": " + preset.source + "\n";
    for (const auto& [path, value] : preset.values) {
      text += "    " + path + ": " + to_string(value) + "\n";
    }
  }
  return text;
}

std::string coefficient_table() {
  std::vector<HelpRow> rows{{"coefficients", "steps", "source"}};
  for (const CoefficientTable& table : coefficient_tables()) {
    rows.push_back({table.name,
                    table.repeats ? "any" : std::to_string(table.rows.size()),
                    table.source});
  }
  return "\n" + help_table(rows);
}

std::string transform_table() {
  std::vector<HelpRow> rows{{"transform", "meaning", "source"}};
  for (const optim::TransformInfo& info : optim::transform_infos()) {
    rows.push_back({info.name, info.meaning, info.source});
  }
  return "\n" + help_table(rows, kSentenceWidth);
}

/// What the option at `path` chooses from.
std::string choices_of(std::string_view path) {
  if (path == "optimizer.name") return "\n" + optimizer_list();
  if (path == "optimizer.muon.preset") return preset_table();
  if (path == "optimizer.muon.coefficients") return coefficient_table();
  if (path == "transform.name") return transform_table();
  return "";
}

std::string block_page(const Block& block) {
  std::string page = without_index(block.path) + "\n" + algorithm_lines(block.path);
  page += "\n" + help_table(option_rows(block));
  for (const Option& option : block.options) {
    page += choices_of(without_index(join_path(block.path, option.name)));
  }
  return page;
}

std::string field_page(const std::string& path, const Option& option) {
  return help_table({option_header(), option_row(path, option)}) +
         choices_of(without_index(path));
}

std::string transform_page(const optim::TransformInfo& info) {
  std::vector<HelpRow> rows{option_header()};
  for (const optim::TransformField& field : info.fields) {
    const bool is_needed = std::holds_alternative<std::monostate>(field.default_value);
    rows.push_back({field.name, field.type,
                    is_needed ? "none: give it" : to_string(field.default_value),
                    field.allowed, field.help});
  }
  std::string page = "transform { name: \"" + info.name + "\" }\n\n" + info.meaning +
                     "\nSource: " + info.source + "\n";
  if (!info.fields.empty()) page += "\n" + help_table(rows);
  return page;
}

std::optional<std::string> find_page(const Block& root, const std::string& topic) {
  std::optional<std::string> page;
  for_each_block(root, [&](const Block& block) {
    if (without_index(block.path) == topic) page = block_page(block);
  });
  for (const optim::TransformInfo& info : optim::transform_infos()) {
    if (join_path(kTransform, info.name) == topic) page = transform_page(info);
  }
  for_each_option(root, [&](const std::string& path, const Option& option) {
    if (without_index(path) == topic) page = field_page(path, option);
  });
  return page;
}

std::vector<std::string> all_topics(const Block& root) {
  std::vector<std::string> topics;
  for_each_block(
      root, [&](const Block& block) { topics.push_back(without_index(block.path)); });
  for (const std::string& name : optim::transform_names()) {
    topics.push_back(join_path(kTransform, name));
  }
  for_each_option(root, [&](const std::string& path, const Option&) {
    topics.push_back(without_index(path));
  });
  return topics;
}

}  // namespace

std::string topic_help(std::string_view topic) {
  TrainConfig defaults = defaults_with_entries();
  const Block root = make_option_tree(defaults);
  const std::string plain = without_index(topic);
  if (const auto page = find_page(root, plain)) return *page;
  std::vector<std::string> blocks;
  for (const Block& block : root.blocks) blocks.push_back(without_index(block.name));
  fail("--help ", topic, ": unknown block or field",
       did_you_mean(plain, all_topics(root)), "; known: ", c10::Join(", ", blocks),
       ", and what is in them");
}

std::string optimizer_list() {
  std::vector<HelpRow> rows;
  for (const optim::AlgorithmInfo& info : optim::algorithm_table()) {
    rows.push_back({info.name, info.source});
  }
  return help_table(rows);
}

}  // namespace shardopt::config
