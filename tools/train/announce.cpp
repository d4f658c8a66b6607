#include "train/announce.h"

#include <algorithm>
#include <string>

#include <ATen/Parallel.h>

#include "progress.h"
#include "shardopt/config/check_config.h"
#include "train/gpt.h"

namespace shardopt::train {
namespace {

// "4 ranks (launcher: torchrun), 2 copies over 2 ranks each by gloo, ..."
std::string describe(const Job& job, const config::TrainConfig& config) {
  const distributed::Mesh& mesh = *job.mesh;
  std::string text = c10::str(mesh.size(), mesh.size() == 1 ? " rank" : " ranks",
                              " (launcher: ", job.launch->launcher, "), ");
  if (mesh.replicate().size() > 1) {
    text += c10::str(mesh.replicate().size(), " copies over ", mesh.shard().size(),
                     " rank(s) each, ");
  }
  if (mesh.size() > 1) {
    const auto backend = distributed::resolve(config.mesh.backend, c10::kCPU);
    text += "backend " + distributed::name(backend) + ", ";
  }
  return text + c10::str(at::get_num_threads(), " compute thread(s) each");
}

bool has_muon(const optim::Optimizer& optimizer) {
  return std::ranges::any_of(optimizer.groups(), [](const optim::GroupSummary& group) {
    return group.algorithm == "muon" && group.parameters > 0;
  });
}

}  // namespace

void announce(Reporter& reporter, const config::TrainConfig& config,
              const Trainer& trainer, const TextData& data, const Job& job) {
  const int ranks = job.mesh->shard().size();
  reporter.line(describe(job, config));
  reporter.line(
      c10::str("model: ", config.model.layers, " layers, dim ", config.model.dim,
               ", context ", config.model.context, ", ",
               format_thousands(static_cast<double>(parameter_count(config.model))),
               " parameters"));
  reporter.line(c10::str(
      "data: ", config.data.path, ", ",
      format_thousands(static_cast<double>(data.size_bytes())), " bytes, ",
      format_thousands(static_cast<double>(trainer.tokens_per_step())), " per step"));
  for (const auto& group : trainer.optimizer().groups()) {
    reporter.line(c10::str("group ", group.name, ": ", group.algorithm, ", ",
                           group.parameters, " parameter(s), weight decay ",
                           group.weight_decay));
  }
  if (has_muon(trainer.optimizer()) && ranks > 1) {
    reporter.line(
        c10::str("muon: mode local_shard is an approximation: each of ", ranks,
                 " ranks orthogonalizes its own rows, so the result depends on "
                 "their number"));
  }
  for (const auto& block : config::unused_blocks(config)) {
    reporter.line(block + " is given, but nothing selects it: unused");
  }
}

}  // namespace shardopt::train
