// shardopt-bench: what sharding costs, in time, memory and bytes. Prints tables.
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

#include "bench/subcommands.h"
#include "shardopt/core/error.h"

namespace shardopt::bench {
namespace {

using distributed::BackendKind;

void add_options(CLI::App& app, Settings& settings) {
  const CLI::Range positive(int64_t{1}, int64_t{1} << 30);
  app.add_option("--layers", settings.model.layers)->check(positive);
  app.add_option("--dim", settings.model.dim)->check(positive);
  app.add_option("--heads", settings.model.heads)->check(positive);
  app.add_option("--context", settings.model.context)->check(positive);
  app.add_option("--batch", settings.batch, "Samples of a step on each rank")
      ->check(positive);
  app.add_option("--pairs", settings.pairs)->check(positive);
  app.add_option("--steps", settings.steps, "Steps per half of a pair")
      ->check(positive);
  app.add_option_function<std::string>(
         "--backend",
         [&](const std::string& backend) {
           settings.mesh.backend =
               backend == "mpi" ? BackendKind::kMpi : BackendKind::kGloo;
         },
         "gloo (default) or mpi")
      ->check(CLI::IsMember({"gloo", "mpi"}));
  app.add_option("--replicate", settings.mesh.replicate, "Copies of the model")
      ->check(positive);
}

void add_checkpoint(CLI::App& app, CheckpointSettings& settings) {
  const CLI::Range positive(int64_t{1}, int64_t{1} << 30);
  auto* command = app.add_subcommand(
      "checkpoint", "One save or load, or as many raw bytes; start it with torchrun");
  command->add_option("ACTION", settings.action)
      ->check(CLI::IsMember({"save", "async", "load", "raw"}))
      ->required();
  command->add_option("--path", settings.path, "A root; of raw, a folder")->required();
  command->add_option("--mib", settings.mib_per_rank, "Of each rank")->check(positive);
  command->add_option("--budget-mib", settings.budget_mib, "Of memory for copies")
      ->check(positive);
  command->callback([&] { checkpoint_speed(settings); });
}

void check(const config::ModelOptions& model) {
  if (model.dim % (2 * model.heads) == 0) return;
  SHARDOPT_THROW(ConfigError, "--dim is ", model.dim, " and --heads ", model.heads,
                 "; allowed: --dim a multiple of 2 x --heads");
}

int run(int argc, char** argv) {
  CLI::App app("What sharding costs", "shardopt-bench");
  app.require_subcommand(1);
  Settings settings;
  add_options(app, settings);
  app.parse_complete_callback([&] { check(settings.model); });
  bool agrees = true;
  app.add_subcommand("overhead", "1 rank sharded against plain LibTorch, CPU time")
      ->callback([&] { overhead(settings); });
  app.add_subcommand("memory", "Bytes per rank; start it with torchrun or mpirun")
      ->callback([&] { memory(settings); });
  app.add_subcommand("overlap",
                     "Steps with and without overlap; start it with torchrun or mpirun")
      ->callback([&] { overlap(settings); });
  bool counts_loopback = false;
  auto* wires = app.add_subcommand("wire", "Bytes of a step by ledger and by formula");
  wires->add_flag("--loopback", counts_loopback,
                  "Instead: those of Gloo on the loopback interface; with torchrun");
  wires->callback([&] { agrees = counts_loopback ? loopback() : wire(settings); });
  CheckpointSettings checkpoint;
  add_checkpoint(app, checkpoint);
  std::string algorithm;
  auto* updates = app.add_subcommand(
      "optimizer", "Updates without a model, as many as each line of input says");
  updates->add_option("ALGORITHM", algorithm, "An optimizer, or copy")->required();
  updates->callback([&] { optimizer_speed(settings, algorithm); });
  CLI11_PARSE(app, argc, argv);
  return agrees ? 0 : 1;
}

}  // namespace
}  // namespace shardopt::bench

int main(int argc, char** argv) {
  try {
    return shardopt::bench::run(argc, argv);
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "shardopt-bench: %s\n", error.what_without_backtrace());
    return 1;
  }
}
