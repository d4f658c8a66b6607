#include <array>
#include <chrono>
#include <cstdio>
#include <vector>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "bench/subcommands.h"

namespace shardopt::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr int64_t kWarmUp = 3;

// Of one step.
struct Cost {
  double seconds;  // Of the slowest rank.
  double waiting;  // Share of it in which compute waits, mean over ranks.
  double cpu;      // Seconds of one rank, mean over ranks.
};

enum Kind : uint8_t { kSerial, kOverlapped, kKinds };
using Pair = std::array<Cost, kKinds>;

double waited_seconds(const distributed::Mesh& mesh) {
  return Seconds(mesh.shard().waited() + mesh.reduce().waited() +
                 mesh.replicate().waited())
      .count();
}

Cost measure(Run& run, int64_t steps, const distributed::Mesh& mesh) {
  mesh.world().barrier()->wait();
  const double waited_before = waited_seconds(mesh);
  const double cpu_before = cpu_seconds();
  const auto start = Clock::now();
  run.steps(steps);
  const double seconds = Seconds(Clock::now() - start).count();
  at::Tensor sums = at::tensor(
      {seconds, waited_seconds(mesh) - waited_before, cpu_seconds() - cpu_before},
      at::kDouble);
  at::Tensor slowest = at::full({1}, seconds, at::kDouble);
  mesh.world().all_reduce(sums, distributed::ReduceOp::kSum)->wait();
  mesh.world().all_reduce(slowest, distributed::ReduceOp::kMax)->wait();
  const double* sum = sums.const_data_ptr<double>();
  const double count = static_cast<double>(steps);
  return {.seconds = slowest.item<double>() / count,
          .waiting = sum[1] / sum[0],
          .cpu = sum[2] / (count * mesh.size())};
}

void print_row(const char* name, const Pair& pair, double ratio) {
  const auto& [serial, overlapped] = pair;
  std::printf("%8s %11.2f %11.2f %8.3f %9.1f%% %9.1f%% %11.2f %11.2f\n", name,
              1e3 * serial.seconds, 1e3 * overlapped.seconds, ratio,
              100.0 * serial.waiting, 100.0 * overlapped.waiting, 1e3 * serial.cpu,
              1e3 * overlapped.cpu);
}

void print_head(const Settings& settings, const distributed::Mesh& mesh) {
  const auto backend = distributed::resolve(settings.mesh.backend, c10::kCPU);
  std::printf(
      "%d ranks (%d copies) by %s, %d compute thread(s) each; %.1f M parameters, %ld "
      "sample(s) of %ld bytes per rank, %ld steps in half a pair\n",
      mesh.size(), mesh.replicate().size(), distributed::name(backend).c_str(),
      at::get_num_threads(),
      1e-6 * static_cast<double>(train::parameter_count(settings.model)),
      settings.batch, settings.model.context, settings.steps);
  std::printf("%8s %23s %8s %21s %23s\n", "", "step of slowest rank, ms", "",
              "compute waits (mean)", "CPU ms per step, rank");
  std::printf("%8s %11s %11s %8s %10s %10s %11s %11s\n", "pair", "serial", "overlapped",
              "ratio", "serial", "overlapped", "serial", "overlapped");
}

double median_of(const std::vector<Pair>& pairs, Kind kind, double Cost::*field) {
  std::vector<double> values;
  for (const Pair& pair : pairs) values.push_back(pair[kind].*field);
  return median(std::move(values));
}

void print_medians(const std::vector<Pair>& pairs) {
  std::vector<double> ratios;
  for (const Pair& pair : pairs) {
    ratios.push_back(pair[kOverlapped].seconds / pair[kSerial].seconds);
  }
  Pair middle{};
  for (const Kind kind : {kSerial, kOverlapped}) {
    for (const auto field : {&Cost::seconds, &Cost::waiting, &Cost::cpu}) {
      middle[kind].*field = median_of(pairs, kind, field);
    }
  }
  print_row("median", middle, median(std::move(ratios)));
}

}  // namespace

void overlap(const Settings& settings) {
  const Job job = join(settings.mesh);
  const distributed::Mesh& mesh = job.mesh;
  Run serial(settings, mesh, distributed::ShardingOptions{.overlap = false});
  Run overlapped(settings, mesh, distributed::ShardingOptions{.overlap = true});
  const std::array<Run*, kKinds> runs{&serial, &overlapped};
  for (Run* run : runs) run->steps(kWarmUp);
  const bool speaks = mesh.rank() == 0;
  if (speaks) print_head(settings, mesh);
  std::vector<Pair> pairs;
  for (int64_t i = 0; i < settings.pairs; ++i) {
    const Kind first = i % 2 == 0 ? kSerial : kOverlapped;  // in turns
    const Kind second = first == kSerial ? kOverlapped : kSerial;
    Pair& pair = pairs.emplace_back();
    for (const Kind kind : {first, second}) {
      pair[kind] = measure(*runs[kind], settings.steps, mesh);
    }
    const double ratio = pair[kOverlapped].seconds / pair[kSerial].seconds;
    if (speaks) print_row(std::to_string(i + 1).c_str(), pair, ratio);
    std::fflush(stdout);
  }
  if (speaks) print_medians(pairs);
}

}  // namespace shardopt::bench
