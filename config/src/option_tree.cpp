#include "option_tree.h"

#include <utility>

#include "shardopt/optim/muon_presets.h"

namespace shardopt::config {
namespace {

template <typename Options>
Block make_block(std::string_view parent, std::string name, Options& options,
                 std::vector<Block> blocks = {}) {
  std::string path = join_path(parent, name);
  return {std::move(name), std::move(path), options_of(options), std::move(blocks)};
}

/// One block for each entry of a list.
template <typename Options>
void append_entries(std::string_view parent, const std::string& name,
                    std::vector<Options>& entries, std::vector<Block>& blocks) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    blocks.push_back(
        make_block(parent, name + "[" + std::to_string(i) + "]", entries[i]));
  }
}

Option preset_option(std::string& preset) {
  Option option =
      make_choice("preset", preset, optim::muon_preset_names(),
                  "Another system's Muon: its values hold where neither the file nor "
                  "an override says otherwise; empty is none.");
  option.problem = [inner = option.problem](const OptionValue& value) {
    const auto* text = std::get_if<std::string>(&value);
    return text != nullptr && text->empty() ? "" : inner(value);
  };
  return option;
}

Block make_muon_block(optim::OptimizerConfig& optimizer) {
  constexpr char kPath[] = "optimizer.muon";
  optim::MuonOptions& muon = optimizer.muon;
  Block block = make_block(
      "optimizer", "muon", muon,
      {make_block(kPath, "adamw", muon.adamw), make_block(kPath, "nadamw", muon.nadamw),
       make_block(kPath, "lion", muon.lion)});
  block.options.insert(block.options.begin(), preset_option(optimizer.muon_preset));
  return block;
}

Block make_optimizer_block(optim::OptimizerConfig& optimizer) {
  std::vector<Block> blocks;
  append_entries("optimizer", "group", optimizer.groups, blocks);
  const auto add = [&](const char* name, auto& options) {
    blocks.push_back(make_block("optimizer", name, options));
  };
  add("adam", optimizer.adam);
  add("adamw", optimizer.adamw);
  add("nadam", optimizer.nadam);
  add("nadamw", optimizer.nadamw);
  add("lion", optimizer.lion);
  add("sgd", optimizer.sgd);
  add("schedule_free_adamw", optimizer.schedule_free_adamw);
  add("schedule_free_sgd", optimizer.schedule_free_sgd);
  add("dual_scaled_adam", optimizer.dual_scaled_adam);
  blocks.push_back(make_muon_block(optimizer));
  return make_block("", "optimizer", optimizer, std::move(blocks));
}

}  // namespace

Block make_option_tree(TrainConfig& config) {
  Block root;
  root.blocks.push_back(make_block("", "model", config.model));
  root.blocks.push_back(make_block("", "data", config.data));
  root.blocks.push_back(make_optimizer_block(config.optimizer));
  append_entries("", "transform", config.transforms, root.blocks);
  root.blocks.push_back(make_block("", "loss_scale", config.loss_scale));
  root.blocks.push_back(make_block("", "average", config.average));
  root.blocks.push_back(make_block("", "schedule", config.schedule));
  root.blocks.push_back(make_block("", "train", config.train));
  root.blocks.push_back(make_block("", "mesh", config.mesh));
  root.blocks.push_back(make_block("", "output", config.output));
  root.blocks.push_back(make_block("", "profile", config.profile));
  root.blocks.push_back(make_block("", "checkpoint", config.checkpoint));
  return root;
}

std::vector<BlockList> block_lists(TrainConfig& config) {
  auto& groups = config.optimizer.groups;
  auto& transforms = config.transforms;
  return {{"optimizer.group", "groups", groups.size(),
           [&groups](std::size_t size) { groups.resize(size); }},
          {"transform", "transforms", transforms.size(),
           [&transforms](std::size_t size) { transforms.resize(size); }}};
}

TrainConfig defaults_with_entries() {
  TrainConfig config;
  for (const BlockList& list : block_lists(config)) list.resize(1);
  return config;
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

std::vector<std::string> block_names(std::string_view path) {
  TrainConfig config;
  const Block root = make_option_tree(config);
  std::vector<std::string> names;
  for (const Block& block : find_block(root, path)->blocks) {
    names.push_back(block.name);
  }
  return names;
}

}  // namespace shardopt::config
