// Saving and loading a state of a given size, and writing as many bytes without any
// format: what a checkpoint costs beside what the disk can do.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "bench/subcommands.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/checkpoint/load.h"
#include "shardopt/core/error.h"
#include "shardopt/core/random.h"

namespace shardopt::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kColumns = 4096;             // fp32: 16 KiB a row
constexpr int64_t kTensorBytes = 32LL << 20;   // whole, over all ranks
constexpr std::size_t kWriteBytes = 8U << 20;  // of one raw write
constexpr int kRawThreads = 2;
constexpr std::size_t kAlignment = 4096;

int64_t status_kib(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) == 0)
      return std::stoll(line.substr(field.size() + 1));
  }
  SHARDOPT_THROW(ConfigError, "/proc/self/status has no ", field);
}

void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

// The rows of rank `rank` of a model and nothing else, in tensors of 32 MiB each.
StateTree make_state(int64_t bytes_per_rank, const distributed::Communicator& ranks) {
  const int64_t rows = kTensorBytes / (4 * kColumns);
  const int64_t count = bytes_per_rank * ranks.size() / kTensorBytes;
  StateTree model{.kind = "model"};
  for (int64_t i = 0; i < count; ++i) {
    std::vector<int64_t> offsets;
    for (int rank = 0; rank <= ranks.size(); ++rank) {
      offsets.push_back(rows * rank / ranks.size());
    }
    const Shard shard(offsets, ranks.rank());
    const std::string name = "weight." + std::to_string(i);
    auto generator = make_named_generator(static_cast<uint64_t>(ranks.rank()), name);
    at::Tensor local = at::empty({shard.local_rows(), kColumns}, at::kInt);
    local.random_(generator);
    model.tensors.emplace(name,
                          StateTensor{local.view(at::kFloat), Spread::kCut, shard});
  }
  StateTree state{.kind = "benchmark"};
  state.children.emplace("model", std::move(model));
  return state;
}

struct CloseFile {
  int descriptor;
  ~CloseFile() { ::close(descriptor); }
};

void check(bool is_fine, const std::string& path) {
  if (!is_fine) {
    SHARDOPT_THROW(CheckpointError, path, ": raw writing failed, errno ", errno);
  }
}

// `bytes` of anything past the page cache, durable at the end.
void write_raw(const std::string& path, int64_t bytes) {
  const CloseFile file{
      ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_DIRECT | O_CLOEXEC, 0666)};
  check(file.descriptor >= 0, path);
  check(::fallocate(file.descriptor, 0, 0, bytes) == 0, path);
  const auto write_part = [&](int part) {
    const std::unique_ptr<void, decltype(&std::free)> data(
        std::aligned_alloc(kAlignment, kWriteBytes), &std::free);
    std::fill_n(static_cast<char*>(data.get()), kWriteBytes, 'x');
    const auto step = static_cast<int64_t>(kWriteBytes);
    for (int64_t at = part * step; at < bytes; at += kRawThreads * step) {
      check(::pwrite(file.descriptor, data.get(), kWriteBytes, at) == step, path);
    }
  };
  std::vector<std::future<void>> parts;
  for (int part = 0; part < kRawThreads; ++part) {
    parts.push_back(std::async(std::launch::async, write_part, part));
  }
  for (auto& part : parts) part.get();
  check(::fsync(file.descriptor) == 0, path);
}

// What one action cost: seconds of the slowest rank, the rest summed or the largest.
class Measurement {
 public:
  explicit Measurement(distributed::Communicator& ranks) : ranks_(ranks) {
    forget_peak();
    rss_before_ = status_kib("VmRSS");
    ranks_.barrier()->wait();
    cpu_before_ = cpu_seconds();
    start_ = Clock::now();
  }

  void print(const char* action, int64_t bytes, double stall_seconds) {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    const double cpu = cpu_seconds() - cpu_before_;
    const auto peak = static_cast<double>(status_kib("VmHWM") - rss_before_);
    at::Tensor sums = at::tensor({cpu, static_cast<double>(bytes)}, at::kDouble);
    at::Tensor most = at::tensor({seconds, peak / 1024.0, stall_seconds}, at::kDouble);
    ranks_.all_reduce(sums, distributed::ReduceOp::kSum)->wait();
    ranks_.all_reduce(most, distributed::ReduceOp::kMax)->wait();
    if (ranks_.rank() != 0) return;
    const double* sum = sums.const_data_ptr<double>();
    const double* max = most.const_data_ptr<double>();
    const nlohmann::json line = {{"action", action},      {"seconds", max[0]},
                                 {"cpu_seconds", sum[0]}, {"bytes", sum[1]},
                                 {"peak_mib", max[1]},    {"stall_seconds", max[2]}};
    std::printf("%s\n", line.dump().c_str());
  }

 private:
  distributed::Communicator& ranks_;
  int64_t rss_before_ = 0;
  double cpu_before_ = 0.0;
  Clock::time_point start_;
};

double seconds_of(const std::function<void()>& call) {
  const auto start = Clock::now();
  call();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

void checkpoint_speed(const CheckpointSettings& settings) {
  const Job job = join({});
  distributed::Communicator& ranks = job.mesh.world();
  const int64_t bytes = settings.mib_per_rank << 20;
  const std::string path = settings.path;
  if (settings.action == "raw") {
    Measurement measurement(ranks);
    write_raw(path + "/raw-" + std::to_string(ranks.rank()), bytes);
    measurement.print("raw", bytes, 0.0);
    return;
  }
  StateTree state = make_state(bytes, ranks);
  if (settings.action == "load") {
    Measurement measurement(ranks);
    checkpoint::load(path, state, job.mesh);
    measurement.print("load", bytes, 0.0);
    return;
  }
  const checkpoint::SaveOptions options{.keep = 1,
                                        .host_budget_bytes = settings.budget_mib << 20};
  checkpoint::Checkpointer checkpointer(path, job.mesh, options);
  Measurement measurement(ranks);
  if (settings.action == "save") {
    checkpointer.save(1, state);
    measurement.print("save", bytes, 0.0);
    return;
  }
  const double stall = seconds_of([&] {
    checkpointer.start(1, state, "");
    checkpointer.wait_copied();
  });
  checkpointer.finish();
  measurement.print(settings.action.c_str(), bytes, stall);
}

}  // namespace shardopt::bench
