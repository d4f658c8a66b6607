// A rank that makes collectives until it, or a peer, does something wrong. For tests.
//
//   failure_program BACKEND FAULT TIMEOUT_SECONDS [check]
//
// The last rank is at fault, before step 20. What it does at what time, and when others
// notice, is told on standard output; how a failed rank ends is shardopt-train's way.
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

#include <torch/types.h>

#include "shardopt/core/error.h"
#include "shardopt/core/shard.h"
#include "shardopt/distributed/layout.h"
#include "train/job.h"

namespace shardopt {
namespace {

using distributed::BackendKind;
using distributed::Communicator;

constexpr int kSteps = 40;
constexpr int kFaultyStep = 20;
constexpr int64_t kRows = 1000;

void say(const char* what, int rank) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  std::printf("%s %d %.4f\n", what, rank, std::chrono::duration<double>(now).count());
  std::fflush(stdout);
}

void gather(Communicator& group, int64_t rows) {
  const Shard cut(distributed::chunk_offsets(rows, group.size()), group.rank());
  at::Tensor whole = at::ones({rows, 8});
  group.all_gather(whole, cut)->wait();
}

void reduce(Communicator& group) {
  at::Tensor tensor = at::ones({kRows});
  group.all_reduce(tensor, distributed::ReduceOp::kSum)->wait();
}

// Whether the step's calls are made all the same.
bool commit_fault(const std::string& fault, Communicator& group, double timeout) {
  say("fault", group.rank());
  if (fault == "kill") raise(SIGKILL);
  if (fault == "exit") std::_Exit(0);
  if (fault == "exception") throw std::runtime_error("made up, with code 42");
  if (fault == "stop") {
    raise(SIGSTOP);  // A launcher may wake it up again, to end it.
  } else if (fault == "slow") {
    std::this_thread::sleep_for(std::chrono::duration<double>(timeout + 4));
  } else if (fault == "shape") {
    gather(group, kRows / 2);
    return false;
  } else if (fault == "call") {
    group.barrier()->wait();
    return false;
  } else if (fault == "order") {
    reduce(group);
    gather(group, kRows);
    return false;
  } else if (fault != "leave") {
    throw std::invalid_argument("no such fault: " + fault);
  }
  return true;
}

void run(train::Job& job, const std::string& backend, const std::string& fault,
         double timeout, bool checks) {
  static const std::map<std::string, BackendKind> kBackends{
      {"gloo", BackendKind::kGloo}, {"mpi", BackendKind::kMpi}};
  job.launch = distributed::read_launch({}, distributed::process_environment());
  const std::chrono::milliseconds limit(static_cast<int64_t>(timeout * 1000));
  job.meeting = distributed::meet(*job.launch, limit);
  job.mesh.emplace(distributed::make_mesh(
      job.meeting, {.backend = kBackends.at(backend), .check_calls = checks}));
  Communicator& group = job.mesh->shard();
  const bool is_at_fault = fault != "none" && group.rank() == group.size() - 1;
  for (int step = 1; step <= kSteps; ++step) {
    if (is_at_fault && step == kFaultyStep) {
      if (fault == "leave") return say("fault", group.rank());
      if (!commit_fault(fault, group, timeout)) continue;
    }
    gather(group, kRows);
    reduce(group);
  }
}

}  // namespace
}  // namespace shardopt

int main(int argc, char** argv) {
  using namespace shardopt;
  train::Job job;
  try {
    if (argc < 4) throw std::invalid_argument("BACKEND FAULT TIMEOUT_SECONDS [check]");
    run(job, argv[1], argv[2], std::atof(argv[3]), argc > 4);
    return 0;
  } catch (const std::exception& error) {
    say("error", job.launch ? job.launch->rank : -1);
    train::fail(job, error);
  }
}
