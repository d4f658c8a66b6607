#include <cstdio>

#include "bench/counting_allocator.h"
#include "bench/subcommands.h"

namespace shardopt::bench {

void memory(Settings settings) {
  const Job job = join(settings.mesh);
  const distributed::Mesh& mesh = job.mesh;
  settings.batch = 1;
  settings.model.context = 8;
  CountingAllocator allocator;
  Run run(settings, mesh, distributed::ShardingOptions{});
  const double built = static_cast<double>(allocator.held_bytes());
  const double building = static_cast<double>(allocator.peak_bytes());
  run.steps(4);
  const double held = static_cast<double>(allocator.held_bytes());
  allocator.reset_peak();
  run.step();
  const double peak = static_cast<double>(allocator.peak_bytes());
  if (mesh.rank() != 0) return;

  const double mib = 1024.0 * 1024.0;
  const double model =
      4.0 * static_cast<double>(train::parameter_count(settings.model));
  const double unit = static_cast<double>(run.largest_unit_bytes());
  // Master, two moments, gradients.
  const double share = 4.0 * model / mesh.shard().size();
  std::printf("%d ranks, model %.1f MiB, largest unit %.1f MiB (MiB on rank 0)\n",
              mesh.size(), model / mib, unit / mib);
  std::printf("%-34s %10s %10s\n", "", "measured", "count");
  std::printf("%-34s %10.1f %10.1f\n", "built: master and moments", built / mib,
              0.75 * share / mib);
  std::printf("%-34s %10.1f %10.1f\n", "most while it was built", building / mib,
              (0.75 * share + unit) / mib);
  std::printf("%-34s %10.1f %10.1f\n", "held between steps", held / mib, share / mib);
  std::printf("%-34s %10.1f %10.1f\n", "most in a step", peak / mib,
              (share + 2.0 * unit) / mib);
  std::printf("%-34s %10.2f\n", "beyond 1/P, in units", (peak - share) / unit);
}

}  // namespace shardopt::bench
