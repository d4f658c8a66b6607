#include "help_table.h"

#include <algorithm>

namespace shardopt::config {
namespace {

std::vector<std::size_t> column_widths(const std::vector<HelpRow>& rows,
                                       std::size_t max_width) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const HelpRow& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (row[i].size() <= max_width) widths[i] = std::max(widths[i], row[i].size());
    }
  }
  return widths;
}

}  // namespace

std::string help_table(const std::vector<HelpRow>& rows, std::size_t max_width) {
  if (rows.empty()) return "";
  const std::vector<std::size_t> widths = column_widths(rows, max_width);
  std::string text;
  for (const HelpRow& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      const std::size_t padding = widths[i] - std::min(widths[i], row[i].size());
      text += row[i] + std::string(padding + 2, ' ');
    }
    text += row.back() + "\n";
  }
  return text;
}

HelpRow option_header() { return {"field", "type", "default", "allowed", "meaning"}; }

HelpRow option_row(std::string path, const Option& option) {
  const std::size_t index = path.find("[0]");
  if (index != std::string::npos) path.replace(index, 3, "[i]");
  return {std::move(path), option.type, to_string(option.get()), option.allowed,
          option.help};
}

std::vector<HelpRow> option_rows(const Block& block) {
  std::vector<HelpRow> rows{option_header()};
  for_each_option(block, [&](const std::string& path, const Option& option) {
    rows.push_back(option_row(path, option));
  });
  return rows;
}

}  // namespace shardopt::config
