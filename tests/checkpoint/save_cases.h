/// Small states that are saved again and again, and what must hold of their root.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "paths.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/checkpoint/load.h"
#include "shardopt/checkpoint/root.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/distributed/layout.h"
#include "shardopt/distributed/thread_communicator.h"

namespace shardopt::checkpoint {

/// Where a sync costs nothing, if there is such a place.
inline std::filesystem::path memory_folder() {
  constexpr char kMemory[] = "/dev/shm";
  if (::access(kMemory, W_OK) == 0) return kMemory;
  return std::filesystem::temp_directory_path();
}

/// Of rank `rank` of `ranks`: every number in it is `value`.
inline StateTree numbered_state(int64_t value, int ranks, int rank) {
  constexpr int64_t kRows = 7;
  const auto number = static_cast<double>(value);
  const Shard shard(distributed::chunk_offsets(kRows, ranks), rank);
  StateTree model{.kind = "model"};
  model.tensors.emplace("weight", StateTensor{at::full({shard.local_rows(), 3}, number),
                                              Spread::kCut, shard});
  model.tensors.emplace("bias", StateTensor{.tensor = at::full({3}, number)});
  StateTree state{.kind = "training", .values = {{"value", value}}};
  state.children.emplace("model", std::move(model));
  return state;
}

/// Loads the newest step of `root` by one rank, and returns its number. -1: its tensors
/// are not all the same number. Throws as `load` does.
inline int64_t load_number(const std::filesystem::path& root) {
  const auto alone = distributed::make_thread_communicators(1);
  StateTree state = numbered_state(-1, 1, 0);
  (void)load(root, state, *alone.front(), {.max_fallback = 0, .threads = 1});
  const auto value = state.value<int64_t>("value");
  for (const auto& [name, tensor] : state.child("model").tensors) {
    if (!at::all(tensor.tensor == static_cast<double>(value)).item<bool>()) return -1;
  }
  return value;
}

/// The steps of `root` that have a MANIFEST; with a "!" where one is not sound.
inline std::vector<std::string> committed_steps(const std::filesystem::path& root) {
  std::vector<std::string> steps;
  for (const StepFolder& step : list_steps(root, posix_file_system())) {
    if (!step.is_committed) continue;
    steps.push_back(std::to_string(step.step) + (step.problem.empty() ? "" : "!"));
  }
  return steps;
}

/// Every name below `root` that no sound step needs; empty: there is none.
inline std::string garbage_in(const std::filesystem::path& root) {
  std::vector<std::filesystem::path> needed{root / kLockName, root / kLatestName};
  for (const StepFolder& step : list_steps(root, posix_file_system())) {
    if (!step.problem.empty()) continue;
    const auto attempt = step.path / attempt_folder_name(step.attempt);
    needed.insert(needed.end(), {step.path, step.path / kManifestName,
                                 step.path / kPinName, attempt});
    for (const auto& file : open_step(step.path, posix_file_system()).manifest.files) {
      needed.push_back(attempt / file.name);
    }
  }
  std::string garbage;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (std::ranges::find(needed, entry.path()) != needed.end()) continue;
    garbage += entry.path().lexically_relative(root).string() + " ";
  }
  return garbage;
}

}  // namespace shardopt::checkpoint
