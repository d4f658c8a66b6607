#include <cstdio>
#include <vector>

#include "bench/subcommands.h"

namespace shardopt::bench {
namespace {

constexpr int64_t kWarmUp = 3;

double measure(Run& run, int64_t steps) {
  const double start = cpu_seconds();
  run.steps(steps);
  return cpu_seconds() - start;
}

}  // namespace

void overhead(const Settings& settings) {
  const auto mesh = distributed::make_single_mesh();
  Run plain(settings, mesh, std::nullopt);
  Run sharded(settings, mesh, distributed::ShardingOptions{});
  plain.steps(kWarmUp);
  sharded.steps(kWarmUp);
  std::vector<double> ratios;
  std::printf("%8s %14s %14s %8s\n", "pair", "plain CPU s", "sharded CPU s", "ratio");
  for (int64_t pair = 0; pair < settings.pairs; ++pair) {
    const double a = measure(plain, settings.steps);
    const double b = measure(sharded, settings.steps);
    ratios.push_back(b / a);
    std::printf("%8ld %14.3f %14.3f %8.4f\n", pair + 1, a, b, b / a);
  }
  std::printf("median ratio %.4f\n", median(ratios));
}

}  // namespace shardopt::bench
