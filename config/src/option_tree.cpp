#include "option_tree.h"

#include <utility>

namespace shardopt::config {
namespace {

template <typename Options>
Block make_block(std::string_view parent, std::string name, Options& options,
                 std::vector<Block> blocks = {}) {
  std::string path = join_path(parent, name);
  return {std::move(name), std::move(path), options_of(options), std::move(blocks)};
}

Block make_optimizer_block(optim::OptimizerConfig& optimizer) {
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < optimizer.groups.size(); ++i) {
    blocks.push_back(make_block("optimizer", "group[" + std::to_string(i) + "]",
                                optimizer.groups[i]));
  }
  blocks.push_back(make_block("optimizer", "adamw", optimizer.adamw));
  blocks.push_back(make_block("optimizer", "lion", optimizer.lion));
  blocks.push_back(
      make_block("optimizer", "muon", optimizer.muon,
                 {make_block("optimizer.muon", "adamw", optimizer.muon.adamw)}));
  return make_block("", "optimizer", optimizer, std::move(blocks));
}

}  // namespace

Block make_option_tree(TrainConfig& config) {
  Block root;
  root.blocks.push_back(make_block("", "model", config.model));
  root.blocks.push_back(make_block("", "data", config.data));
  root.blocks.push_back(make_optimizer_block(config.optimizer));
  root.blocks.push_back(make_block("", "schedule", config.schedule));
  root.blocks.push_back(make_block("", "train", config.train));
  root.blocks.push_back(make_block("", "mesh", config.mesh));
  root.blocks.push_back(make_block("", "output", config.output));
  root.blocks.push_back(make_block("", "profile", config.profile));
  root.blocks.push_back(make_block("", "checkpoint", config.checkpoint));
  return root;
}

const Block* find_block(const Block& root, std::string_view path) {
  if (path == root.path) return &root;
  for (const Block& block : root.blocks) {
    if (const Block* found = find_block(block, path)) return found;
  }
  return nullptr;
}

const Option* find_option(const Block& root, std::string_view path) {
  const std::size_t dot = path.rfind('.');
  const bool at_root = dot == std::string_view::npos;
  const Block* block = find_block(root, at_root ? "" : path.substr(0, dot));
  if (block == nullptr) return nullptr;
  const std::string_view name = at_root ? path : path.substr(dot + 1);
  for (const Option& option : block->options) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

std::string join_path(std::string_view block, std::string_view field) {
  return (block.empty() ? "" : std::string(block) + ".") + std::string(field);
}

void for_each_option(
    const Block& root,
    const std::function<void(const std::string& path, const Option&)>& visit) {
  for (const Option& option : root.options) {
    visit(join_path(root.path, option.name), option);
  }
  for (const Block& block : root.blocks) for_each_option(block, visit);
}

std::vector<std::string> known_algorithms() {
  TrainConfig config;
  const Block root = make_option_tree(config);
  std::vector<std::string> names;
  for (const Block& block : find_block(root, "optimizer")->blocks) {
    names.push_back(block.name);
  }
  return names;
}

}  // namespace shardopt::config
