/// All options of a TrainConfig, by path.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shardopt/config/train_config.h"

namespace shardopt::config {

/// A message of the schema with its options. Options refer to the TrainConfig that the
/// tree was made of: make a new one when entries of lists come or go.
struct Block {
  std::string name;  ///< "optimizer", "group[0]"; "" for the root.
  std::string path;  ///< "optimizer.group[0]"; "" for the root.
  std::vector<Option> options;
  std::vector<Block> blocks;
};

[[nodiscard]] Block make_option_tree(TrainConfig& config);

/// A list of blocks, "optimizer.group" or "transform"; it refers to its TrainConfig.
struct BlockList {
  std::string path;
  std::string entries;  ///< What messages call them: "groups".
  std::size_t size;     ///< When this was made.
  std::function<void(std::size_t size)> resize;
};

/// All lists of blocks, but that of named values.
[[nodiscard]] std::vector<BlockList> block_lists(TrainConfig& config);

/// Defaults with one entry in each list.
[[nodiscard]] TrainConfig defaults_with_entries();

/// Nullptr if there is none.
[[nodiscard]] const Block* find_block(const Block& root, std::string_view path);
[[nodiscard]] const Option* find_option(const Block& root, std::string_view path);

/// "model.layers" of block "model" and field "layers"; the field alone at the root.
[[nodiscard]] std::string join_path(std::string_view block, std::string_view field);

/// Every option once, blocks in order, each block's own options first.
void for_each_option(
    const Block& root,
    const std::function<void(const std::string& path, const Option&)>& visit);

/// Names of the blocks right below the block at `path`, of defaults without entries:
/// those of "optimizer" are the algorithms', those of "optimizer.muon" the optimizers'
/// that it may have inside.
[[nodiscard]] std::vector<std::string> block_names(std::string_view path);

}  // namespace shardopt::config
