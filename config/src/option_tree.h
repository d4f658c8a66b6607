/// All options of a TrainConfig, by path.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shardopt/config/train_config.h"

namespace shardopt::config {

/// A message of the schema with its options. Options refer to the TrainConfig that the
/// tree was made of: make a new one when entries of `optimizer.group` come or go.
struct Block {
  std::string name;  ///< "optimizer", "group[0]"; "" for the root.
  std::string path;  ///< "optimizer.group[0]"; "" for the root.
  std::vector<Option> options;
  std::vector<Block> blocks;
};

[[nodiscard]] Block make_option_tree(TrainConfig& config);

/// Nullptr if there is none.
[[nodiscard]] const Block* find_block(const Block& root, std::string_view path);
[[nodiscard]] const Option* find_option(const Block& root, std::string_view path);

/// "model.layers" of block "model" and field "layers"; the field alone at the root.
[[nodiscard]] std::string join_path(std::string_view block, std::string_view field);

/// Every option once, blocks in order, each block's own options first.
void for_each_option(
    const Block& root,
    const std::function<void(const std::string& path, const Option&)>& visit);

/// Names of the algorithms that have a block of their own: "adamw", "lion", "muon".
[[nodiscard]] std::vector<std::string> known_algorithms();

}  // namespace shardopt::config
