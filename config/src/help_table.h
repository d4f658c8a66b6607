/// Tables of plain text, for help.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "option_tree.h"

namespace shardopt::config {

using HelpRow = std::vector<std::string>;

/// A line per row; columns are aligned but for the last, and a cell of more than
/// `max_width` bytes pushes its own row only. Rows have as many cells as the first.
[[nodiscard]] std::string help_table(const std::vector<HelpRow>& rows,
                                     std::size_t max_width = 44);

/// "field", "type", "default", "allowed", "meaning".
[[nodiscard]] HelpRow option_header();
/// An entry of a list is "[i]" in `path`.
[[nodiscard]] HelpRow option_row(std::string path, const Option& option);
/// The header, then all options of `block` and of the blocks in it.
[[nodiscard]] std::vector<HelpRow> option_rows(const Block& block);

}  // namespace shardopt::config
