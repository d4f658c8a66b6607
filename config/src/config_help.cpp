#include <algorithm>
#include <array>

#include "shardopt/config/print_config.h"

#include "option_tree.h"

namespace shardopt::config {
namespace {

constexpr std::size_t kColumns = 5;
constexpr std::size_t kMaxWidth = 44;  // A longer cell pushes its own row only.

using Row = std::array<std::string, kColumns>;

std::vector<Row> help_rows() {
  TrainConfig defaults;
  defaults.optimizer.groups.resize(1);
  std::vector<Row> rows{{"field", "type", "default", "allowed", "meaning"}};
  for_each_option(
      make_option_tree(defaults), [&](std::string path, const Option& option) {
        const std::size_t index = path.find("[0]");
        if (index != std::string::npos) path.replace(index, 3, "[i]");
        rows.push_back({std::move(path), option.type, to_string(option.get()),
                        option.allowed, option.help});
      });
  rows.push_back({"optimizer.options.NAME", "any", "unset", "by the optimizer",
                  "An option of an optimizer that was registered."});
  return rows;
}

}  // namespace

std::string config_help() {
  const std::vector<Row> rows = help_rows();
  std::array<std::size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < kColumns; ++i) {
      if (row[i].size() <= kMaxWidth) widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < kColumns; ++i) {
      const std::size_t padding = widths[i] - std::min(widths[i], row[i].size());
      text += row[i] + std::string(padding + 2, ' ');
    }
    text += row.back() + "\n";
  }
  return text;
}

}  // namespace shardopt::config
