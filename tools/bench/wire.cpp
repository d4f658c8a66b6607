#include <array>
#include <cstdio>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include <c10/util/StringUtil.h>

#include "bench/cuts.h"
#include "bench/subcommands.h"
#include "shardopt/distributed/thread_mesh.h"

namespace shardopt::bench {
namespace {

using distributed::Collective;
using distributed::Communicator;
using distributed::Ledger;
using distributed::MeshGroups;

constexpr std::array kMoving{Collective::kAllGather, Collective::kReduceScatter,
                             Collective::kAllReduce};
// attn_norm, qkv, proj, mlp_norm, w1, w3, w2; tok_embedding, final_norm, head.
constexpr int64_t kParametersOfBlock = 7;
constexpr int64_t kOtherParameters = 3;

// Bytes of a step, one entry for each of kMoving.
using Traffic = std::array<int64_t, kMoving.size()>;

struct Ranks {
  int shard;
  int replicate;
};

// What one rank's third step adds to its ledgers.
Traffic traffic_of_rank(const Settings& settings, const distributed::Layout& layout,
                        MeshGroups groups) {
  const distributed::Mesh mesh(std::move(groups));
  Run run(settings, mesh, distributed::ShardingOptions{.layout = layout});
  run.steps(2);
  const std::array<Communicator*, 3> users{&mesh.shard(), &mesh.reduce(),
                                           &mesh.replicate()};
  for (Communicator* user : users) user->clear_ledger();
  run.step();
  Traffic traffic{};
  for (const Communicator* user : users) {
    for (std::size_t i = 0; i < kMoving.size(); ++i) {
      traffic[i] += user->ledger().entry(kMoving[i]).bytes;
    }
  }
  return traffic;
}

Traffic traffic_of_all(const Settings& settings, const distributed::Layout& layout,
                       const Ranks& ranks) {
  std::vector<std::future<Traffic>> futures;
  auto meshes = distributed::make_thread_meshes(ranks.shard, ranks.replicate);
  for (MeshGroups& groups : meshes) {
    futures.push_back(std::async(std::launch::async, traffic_of_rank,
                                 std::cref(settings), std::cref(layout),
                                 std::move(groups)));
  }
  Traffic sum{};
  for (auto& future : futures) {
    const Traffic traffic = future.get();
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += traffic[i];
  }
  return sum;
}

// Every unit is gathered for forward and, but for the last, which stays, for backward;
// every gradient is reduced, with a number for each rank and parameter: whether it has
// one. A gather or reduce-scatter of N bytes over P ranks moves (P - 1) N, an
// all-reduce 2 (P - 1) N: that of what each rank has of the gradients, over the copies.
Traffic formula(const config::ModelOptions& model, const Ranks& ranks) {
  constexpr int64_t kBytes = sizeof(float);
  const int64_t all = kBytes * train::parameter_count(model);
  const int64_t last = kBytes * (model.dim + train::kVocabulary * model.dim);
  const int64_t parameters = kParametersOfBlock * model.layers + kOtherParameters;
  const int64_t reduced = all + kBytes * ranks.shard * parameters;
  const int64_t peers = ranks.replicate * (ranks.shard - 1);
  return {peers * (2 * all - last), peers * reduced,
          2 * (ranks.replicate - 1) * reduced};
}

void print_row(const char* mesh, const char* cut, const Traffic& bytes) {
  std::printf("%8s %8s %14ld %14ld %14ld", mesh, cut, bytes[0], bytes[1], bytes[2]);
}

}  // namespace

bool wire(Settings settings) {
  settings.model.tied = false;  // A tied weight would be the last unit's too.
  settings.batch = 1;
  const std::array<std::pair<const char*, distributed::Layout>, 2> cuts{
      {{"rows", distributed::rows_layout()}, {"halves", halving_layout()}}};
  constexpr std::array kRanks{Ranks{2, 1}, Ranks{3, 1}, Ranks{4, 1}, Ranks{8, 1},
                              Ranks{1, 2}, Ranks{2, 2}, Ranks{4, 2}, Ranks{2, 4}};
  std::printf(
      "bytes of one step by ledger, summed over ranks; mesh: shard x replicate\n");
  std::printf("%8s %8s %14s %14s %14s\n", "mesh", "cut", "all_gather", "reduce_scatter",
              "all_reduce");
  bool agree = true;
  for (const Ranks& ranks : kRanks) {
    const std::string mesh = c10::str(ranks.shard, "x", ranks.replicate);
    const Traffic expected = formula(settings.model, ranks);
    for (const auto& [cut, layout] : cuts) {
      const Traffic counted = traffic_of_all(settings, layout, ranks);
      print_row(mesh.c_str(), cut, counted);
      std::printf(counted == expected ? "  as the formula\n"
                                      : "  NOT as the formula:\n");
      if (counted == expected) continue;
      print_row("", "", expected);
      std::printf("\n");
      agree = false;
    }
  }
  return agree;
}

}  // namespace shardopt::bench
