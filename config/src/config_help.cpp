#include "shardopt/config/print_config.h"

#include "help_table.h"
#include "option_tree.h"

namespace shardopt::config {

std::string config_help() {
  TrainConfig defaults = defaults_with_entries();
  std::vector<HelpRow> rows = option_rows(make_option_tree(defaults));
  rows.push_back({"optimizer.options.NAME", "any", "unset", "by the optimizer",
                  "An option of an optimizer that was registered."});
  return help_table(rows);
}

}  // namespace shardopt::config
