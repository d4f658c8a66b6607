#include "train/init_weights.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <c10/util/StringUtil.h>

#include "shardopt/checkpoint/load.h"
#include "shardopt/checkpoint/root.h"
#include "shardopt/core/error.h"
#include "shardopt/distributed/model_state.h"
#include "shardopt/distributed/small_messages.h"
#include "train/agreement.h"
#include "train/weights_file.h"

namespace shardopt::train {
namespace {

namespace fs = std::filesystem;

constexpr char kModel[] = "model";

// `path` if it is a step folder, else the newest step of that root.
fs::path step_folder(const fs::path& path) {
  if (fs::exists(path / "MANIFEST")) return path;
  const auto steps = checkpoint::list_steps(path, checkpoint::posix_file_system());
  const auto newest = std::find_if(steps.rbegin(), steps.rend(),
                                   [](const auto& step) { return step.is_committed; });
  if (newest != steps.rend()) return newest->path;
  SHARDOPT_THROW(CheckpointError, "model.init is '", path.string(),
                 "', which holds no checkpoint");
}

// The step folder, and in the lines after it the parts that are no weights.
std::string look_into(const fs::path& path) {
  const fs::path folder = step_folder(path);
  const auto step = checkpoint::open_step(folder, checkpoint::posix_file_system());
  std::string text = folder.string();
  for (const auto& [name, part] : step.manifest.state.children) {
    if (name != kModel) text += "\n" + name;
  }
  return text;
}

std::vector<std::string> init_from_checkpoint(const config::ModelOptions& options,
                                              const distributed::Mesh& mesh,
                                              distributed::ShardedModel& model) {
  std::string found;
  run_agreed(mesh.world(), [&] {
    if (mesh.rank() == 0) found = look_into(options.init);
  });
  std::istringstream lines(distributed::broadcast_text(mesh.world(), found));
  std::string folder;
  std::getline(lines, folder);
  std::vector<std::string> ignore = config::split_list(options.init_ignore);
  std::vector<std::string> others;
  for (std::string name; std::getline(lines, name);) others.push_back(name);
  ignore.insert(ignore.end(), others.begin(), others.end());
  const auto destination = [&](const StateTree& saved) {
    StateTree tree{
        .kind = saved.kind, .version = saved.version, .values = saved.values};
    tree.children.emplace(kModel, distributed::model_state(model));
    return tree;
  };
  StateTree state;
  const auto report =
      checkpoint::load(folder, destination, state, mesh,
                       {.allow_missing = config::split_list(options.init_allow_missing),
                        .ignore = ignore,
                        .cast = config::split_list(options.init_cast)});
  std::vector<std::string> result{
      c10::str("weights of step ", report.step, " (", report.folder.string(), ")")};
  for (const std::string& name : report.skipped) {
    if (std::ranges::find(others, name) != others.end()) continue;
    result.push_back(name + " is not taken from it");
  }
  return result;
}

}  // namespace

std::vector<std::string> init_weights(const config::ModelOptions& options,
                                      const distributed::Mesh& mesh,
                                      distributed::ShardedModel& model) {
  if (!options.init.ends_with(".safetensors")) {
    return init_from_checkpoint(options, mesh, model);
  }
  std::vector<std::string> skipped;
  run_agreed(mesh.world(), [&] {
    skipped = read_weights_file(options, distributed::model_state(model));
  });
  std::vector<std::string> result{"weights of " + options.init};
  for (const std::string& name : skipped) {
    result.push_back(name + " is not taken from it");
  }
  return result;
}

}  // namespace shardopt::train
