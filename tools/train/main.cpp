// shardopt-train: see parse_command_line for what it can be told.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>

#include <ATen/Parallel.h>

#include "shardopt/config/check_config.h"
#include "shardopt/config/print_config.h"
#include "shardopt/config/topic_help.h"
#include "shardopt/core/error.h"
#include "shardopt/distributed/launch_mesh.h"
#include "train/agreement.h"
#include "train/command_line.h"
#include "train/job.h"
#include "train/run.h"
#include "train/show_launch.h"

namespace shardopt::train {
namespace {

constexpr int kSignalExit = 128;
// For ranks to find each other when there is no valid configuration to say how long.
constexpr std::chrono::seconds kJoinTimeout{60};

void set_threads(const config::TrainConfig& config) {
  if (config.train.threads == 0) return;
  at::set_num_threads(static_cast<int>(config.train.threads));
}

c10::Device device_of(const config::TrainConfig& config) {
  return config.train.device == config::DeviceKind::kCuda ? c10::kCUDA : c10::kCPU;
}

distributed::MeshShape shape_of(const config::MeshOptions& mesh, c10::Device device) {
  return {.shard = static_cast<int>(mesh.shard),
          .replicate = static_cast<int>(mesh.replicate),
          .device = device,
          .backend = mesh.backend,
          .check_calls = mesh.check_calls};
}

void meet_peers(Job& job, std::chrono::seconds timeout) {
  job.meeting = distributed::meet(
      *job.launch, timeout, [rank = job.launch->rank](const std::string& late) {
        std::fprintf(stderr, "shardopt-train: rank %d waits: %s\n", rank, late.c_str());
      });
}

// Meets the peers, whom fail() then tells that we cannot begin: they would wait for us.
[[noreturn]] void fail_together(Job& job, const std::exception_ptr& error) {
  try {
    meet_peers(job, kJoinTimeout);
  } catch (const c10::Error&) {
    // The peers are gone already: our own error is the one to tell.
  }
  std::rethrow_exception(error);
}

config::TrainConfig load(const CommandLine& command, Job& job) {
  try {
    auto config = config::load_config(command.sources);
    config::check_config(config, job.launch->size);
    if (device_of(config).is_cuda()) {
      SHARDOPT_THROW(ConfigError, "train.device is 'cuda'; allowed so far: cpu");
    }
    (void)distributed::resolve(config.mesh.backend, device_of(config));
    return config;
  } catch (const c10::Error&) {
    if (job.launch->size == 1) throw;
    fail_together(job, std::current_exception());
  }
}

void show(const CommandLine& command, const distributed::Launch& launch) {
  config::TrainConfig config = config::load_config(command.sources);
  set_threads(config);
  const c10::Device device = device_of(config);
  const auto backend = distributed::resolve(config.mesh.backend, device);
  show_launch(launch, launch.size == 1 ? "none" : distributed::name(backend),
              c10::str(device), at::get_num_threads());
}

int run(const CommandLine& command, Job& job) {
  const config::TrainConfig config = load(command, job);
  set_threads(config);
  meet_peers(job, std::chrono::seconds(config.mesh.timeout_seconds));
  const auto shape = shape_of(config.mesh, device_of(config));
  job.mesh.emplace(distributed::make_mesh(job.meeting, shape));
  auto common = config;
  if (!common.output.path.empty()) common.output.path = "an output folder";
  common.train.threads = 0;
  check_same_text(job.mesh->world(), "the configuration", config::print_config(common));
  const int signal = run_training(config, job);
  return signal == 0 ? 0 : kSignalExit + signal;
}

int answer(const CommandLine& command) {
  if (command.lists_optimizers) {
    std::fputs(config::optimizer_list().c_str(), stdout);
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
  train::Job job;
  try {
    if (command.lists_optimizers || command.prints_config) {
      return train::answer(command);
    }
    job.launch =
        distributed::read_launch(command.launch, distributed::process_environment());
    if (command.shows_launch) {
      train::show(command, *job.launch);
      return 0;
    }
    return train::run(command, job);
  } catch (const std::exception& error) {
    train::fail(job, error);
  }
}
