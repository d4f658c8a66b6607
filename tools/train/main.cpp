// shardopt-train: see parse_command_line for what it can be told.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>

#include <ATen/Parallel.h>

#include "shardopt/config/check_config.h"
#include "shardopt/config/print_config.h"
#include "shardopt/core/error.h"
#include "shardopt/distributed/launch_mesh.h"
#include "shardopt/optim/optimizer_registry.h"
#include "train/agreement.h"
#include "train/command_line.h"
#include "train/failure.h"
#include "train/run.h"

namespace shardopt::train {
namespace {

constexpr int kSignalExit = 128;
// For ranks to find each other when there is no valid configuration to say how long.
constexpr std::chrono::seconds kJoinTimeout{60};

// Peers learn that we cannot begin; otherwise they would wait for us.
[[noreturn]] void fail_together(const distributed::Launch& launch,
                                const std::exception_ptr& error) {
  try {
    const auto mesh = distributed::make_mesh(launch, c10::kCPU, kJoinTimeout);
    run_agreed(mesh.shard(), [&] { std::rethrow_exception(error); });
  } catch (const CommError&) {
    // The peers are gone already: our own error is the one to tell.
  }
  std::rethrow_exception(error);
}

config::TrainConfig load(const CommandLine& command,
                         const distributed::Launch& launch) {
  try {
    auto config = config::load_config(command.sources);
    config::check_config(config, launch.size);
    return config;
  } catch (const c10::Error&) {
    if (launch.size == 1) throw;
    fail_together(launch, std::current_exception());
  }
}

int run(const CommandLine& command, const distributed::Launch& launch) {
  const config::TrainConfig config = load(command, launch);
  if (config.train.threads > 0) {
    at::set_num_threads(static_cast<int>(config.train.threads));
  }
  const bool is_cuda = config.train.device == config::DeviceKind::kCuda;
  const auto mesh =
      distributed::make_mesh(launch, is_cuda ? c10::kCUDA : c10::kCPU,
                             std::chrono::seconds(config.mesh.timeout_seconds));
  run_agreed(mesh.shard(), [&] {  // nor has a peer failed to load
    if (is_cuda)
      SHARDOPT_THROW(ConfigError, "train.device is 'cuda'; allowed so far: cpu");
  });
  auto common = config;
  if (!common.output.path.empty()) common.output.path = "an output folder";
  common.train.threads = 0;
  check_same_text(mesh.shard(), "the configuration", config::print_config(common));
  const int signal = run_training(config, mesh, launch.launcher);
  return signal == 0 ? 0 : kSignalExit + signal;
}

int answer(const CommandLine& command) {
  if (command.lists_optimizers) {
    for (const auto& name : optim::make_optimizer_registry().names()) {
      std::printf("%s\n", name.c_str());
    }
    return 0;
  }
  std::fputs(config::print_config(config::load_config(command.sources)).c_str(),
             stdout);
  return 0;
}

}  // namespace
}  // namespace shardopt::train

int main(int argc, char** argv) {
  using namespace shardopt;
  const train::CommandLine command = train::parse_command_line(argc, argv);
  if (command.is_done) return command.exit_code;
  std::optional<distributed::Launch> launch;
  try {
    if (command.lists_optimizers || command.prints_config) {
      return train::answer(command);
    }
    launch =
        distributed::read_launch(command.launch, distributed::process_environment());
    return train::run(command, *launch);
  } catch (const std::exception& error) {
    return train::report_failure(launch, error);
  }
}
