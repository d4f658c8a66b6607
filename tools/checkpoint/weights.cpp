// Commands that turn checkpoints into files of weights and back, and one that removes.
#include <cstdio>
#include <string>
#include <utility>

#include <ATen/ATen.h>

#include "checkpoint/commands.h"
#include "checkpoint/evaluation.h"
#include "checkpoint/step_path.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/checkpoint/inspect.h"
#include "shardopt/checkpoint/root.h"
#include "shardopt/checkpoint/safetensors.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/distributed/communicator.h"

namespace shardopt::checkpoint_tool {
namespace {

namespace fs = std::filesystem;
using namespace shardopt::checkpoint;

constexpr char kModel[] = "model";

at::ScalarType dtype_of(const std::string& name) {
  if (name == "f32") return at::kFloat;
  if (name == "bf16") return at::kBFloat16;
  if (name == "f16") return at::kHalf;
  SHARDOPT_THROW(ConfigError, "--dtype is '", name, "'; allowed: f32, bf16, f16");
}

const StoredState& model_of(const OpenStep& step) {
  const auto it = step.manifest.state.children.find(kModel);
  if (it == step.manifest.state.children.end()) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kMismatch, step.folder.string(),
                             " holds no model: its state has no part 'model'");
  }
  return it->second;
}

at::Tensor weight_of(const OpenStep& step, const std::string& name, Point point) {
  if (point == Point::kEval) return evaluation_weight(step, name);
  return read_tensor(step.folder, step.manifest, name, posix_file_system());
}

SafetensorsFile weights_of(const OpenStep& step, const ExportRequest& request) {
  const StoredState& model = model_of(step);
  SafetensorsFile file{.metadata = {{"format", "pt"}}};
  for (const auto& [name, reference] : model.tensors) {
    at::Tensor tensor = weight_of(step, name, request.point);
    if (model.values.contains(name + ".is_scalar"))
      tensor = tensor.view(at::IntArrayRef{});
    const bool converts = !request.dtype.empty() && tensor.is_floating_point();
    if (converts) tensor = tensor.to(dtype_of(request.dtype));
    for (const auto& alias : find_tensor(step.manifest, name)->aliases) {
      file.tensors.emplace(alias, tensor);
    }
    file.tensors.emplace(name, std::move(tensor));
  }
  return file;
}

}  // namespace

int export_weights(const ExportRequest& request) {
  if (!request.dtype.empty()) (void)dtype_of(request.dtype);
  const OpenStep step = open(request.path);
  const SafetensorsFile file = weights_of(step, request);
  write_safetensors(request.output, file);
  std::printf("%s: %zu tensors of step %lld\n", request.output.c_str(),
              file.tensors.size(), static_cast<long long>(step.manifest.step));
  return kFine;
}

int import_weights(const fs::path& file, const fs::path& root, int64_t step) {
  const SafetensorsFile contents = read_safetensors(file);
  const fs::path target = root / step_folder_name(step);
  if (is_step(target)) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kMismatch, target.string(),
                             " is there already; give another --step");
  }
  StateTree model{.kind = kModel};
  for (const auto& [name, tensor] : contents.tensors) {
    const bool is_scalar = tensor.dim() == 0;
    const at::Tensor rows = is_scalar ? tensor.view({1}) : tensor;
    model.tensors.emplace(name,
                          StateTensor{rows, Spread::kCut, Shard({0, rows.size(0)}, 0)});
    if (is_scalar) model.values.emplace(name + ".is_scalar", true);
  }
  StateTree state{.kind = "weights"};
  state.children.emplace(kModel, std::move(model));
  const auto alone = distributed::make_single_communicator();
  const SaveReport report = save(root, step, state, *alone, {.keep = 0});
  std::printf("%s: %zu tensors, %s\n", report.folder.c_str(), contents.tensors.size(),
              format_bytes(report.bytes).c_str());
  return kFine;
}

int prune(const fs::path& root, int64_t keep) {
  const auto removed = prune_steps(root, keep, posix_file_system());
  for (const fs::path& folder : removed) std::printf("removed %s\n", folder.c_str());
  if (removed.empty()) std::printf("nothing to remove\n");
  return kFine;
}

}  // namespace shardopt::checkpoint_tool
