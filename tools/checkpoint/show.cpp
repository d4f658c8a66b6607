// Commands that look into manifests only.
#include <cstdio>
#include <string>
#include <vector>

#include <c10/util/StringUtil.h>

#include "checkpoint/commands.h"
#include "checkpoint/step_path.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/root.h"

namespace shardopt::checkpoint_tool {
namespace {

namespace fs = std::filesystem;
using namespace shardopt::checkpoint;

void print(const std::string& line) { std::printf("%s\n", line.c_str()); }

std::string ranks_of(const StoredMesh& mesh) {
  std::string text =
      c10::str(mesh.world_size, mesh.world_size == 1 ? " rank" : " ranks");
  if (mesh.copies > 1) text += c10::str(", ", mesh.copies, " copies");
  return text;
}

std::string state_of(const StepFolder& step) {
  if (!step.is_committed) return "not committed";
  std::string text = step.problem.empty() ? "sound" : "DAMAGED: " + step.problem;
  return step.is_pinned ? text + ", pinned" : text;
}

void print_step(const StepFolder& step) {
  std::string line = c10::str("step ", step.step, "  ", state_of(step));
  if (step.is_committed && step.problem.empty()) {
    const Manifest manifest = open_step(step.path, posix_file_system()).manifest;
    line += "  " + format_bytes(manifest.total_data_bytes) + "  " +
            ranks_of(manifest.mesh) + "  " + format_time(manifest.created_unix_ns);
  }
  print(line);
}

struct Total {
  int64_t tensors = 0;
  int64_t bytes = 0;
};

// Per-rank tensors count once for each rank.
void add(const Manifest& manifest, const StoredState& state, Total& total) {
  for (const auto& [slot, reference] : state.tensors) {
    const bool is_own = reference.spread == Spread::kPerRank;
    for (int rank = 0; rank < (is_own ? manifest.mesh.world_size : 1); ++rank) {
      const StoredTensor* tensor = find_tensor(
          manifest, is_own ? per_rank_name(reference.tensor, rank) : reference.tensor);
      if (tensor == nullptr) continue;
      ++total.tensors;
      for (const StoredShard& shard : tensor->shards) total.bytes += shard.bytes;
    }
  }
  for (const auto& [name, child] : state.children) add(manifest, child, total);
}

// Parts below "parameters" are one per parameter: their sum is enough.
void print_tree(const Manifest& manifest, const StoredState& state,
                const std::string& name, int depth) {
  Total total;
  add(manifest, state, total);
  const std::string indent(2 * static_cast<std::size_t>(depth), ' ');
  std::string line = indent + name + ": " + state.kind;
  if (total.tensors > 0) {
    line += c10::str(", ", total.tensors, " tensors, ", format_bytes(total.bytes));
  }
  print(line);
  for (const auto& [key, value] : state.values) {
    print(indent + "  " + key + " = " + format_value(value));
  }
  if (state.kind == "parameters") return;
  for (const auto& [child_name, child] : state.children) {
    print_tree(manifest, child, child_name, depth + 1);
  }
}

void print_tensor(const Manifest& manifest, const StoredTensor& tensor) {
  std::string line = tensor.name + "  " + format_shape(tensor);
  for (const std::string& alias : tensor.aliases) line += "  = " + alias;
  print(line);
  for (const StoredShard& shard : tensor.shards) {
    print(c10::str("  rows ", shard.row_begin, " to ", shard.row_begin + shard.rows,
                   "  ", manifest.files.at(shard.file).name, " at ", shard.offset, "  ",
                   format_bytes(shard.bytes)));
  }
}

}  // namespace

int list(const fs::path& root) {
  const std::vector<StepFolder> steps = list_steps(root, posix_file_system());
  for (const StepFolder& step : steps) print_step(step);
  if (steps.empty()) print("no steps");
  return kFine;
}

int show(const fs::path& path, bool lists_tensors, bool shows_config) {
  const auto [folder, manifest] = open(path);
  print(folder.string());
  print(c10::str("step ", manifest.step, ", written ",
                 format_time(manifest.created_unix_ns), " by ", manifest.writer,
                 " (format ", manifest.major, ".", manifest.minor, ", attempt ",
                 manifest.attempt, ")"));
  print(c10::str(ranks_of(manifest.mesh), ", ", manifest.files.size(), " file(s), ",
                 manifest.tensors.size(), " tensors, ",
                 format_bytes(manifest.total_data_bytes)));
  print_tree(manifest, manifest.state, "state", 0);
  if (lists_tensors) {
    for (const StoredTensor& tensor : manifest.tensors) print_tensor(manifest, tensor);
  }
  if (shows_config) print(manifest.config_text);
  return kFine;
}

}  // namespace shardopt::checkpoint_tool
