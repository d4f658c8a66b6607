#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "bench/cuts.h"
#include "bench/subcommands.h"
#include "shardopt/core/error.h"
#include "shardopt/core/shard.h"

namespace shardopt::bench {
namespace {

using distributed::Communicator;

constexpr int64_t kElements = int64_t{1} << 20;  // of fp32: 4 MiB
constexpr int kRepetitions = 20;
constexpr double kTolerance = 0.05;  // Headers and acknowledgements of TCP/IP.

struct Case {
  std::string name;
  std::function<void()> call;
};

// Bytes that this network namespace has sent over "lo".
int64_t loopback_bytes() {
  constexpr int kFieldsBefore = 8;  // those of what was received
  std::ifstream file("/proc/net/dev");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::string interface;
    std::istringstream(line.substr(0, colon)) >> interface;
    if (interface != "lo") continue;
    std::istringstream fields(line.substr(colon + 1));
    int64_t bytes = -1;
    for (int i = 0; i <= kFieldsBefore; ++i) fields >> bytes;
    if (fields) return bytes;
  }
  SHARDOPT_THROW(ConfigError, "/proc/net/dev has no counters of interface 'lo'");
}

int64_t sum_over_ranks(Communicator& group, int64_t value) {
  at::Tensor sum = at::full({1}, value, at::kLong);
  group.all_reduce(sum, distributed::ReduceOp::kSum)->wait();
  return sum.item<int64_t>();
}

// {ledger, interface} of the repetitions; the latter counts on rank 0 alone.
std::pair<int64_t, int64_t> measure(const Case& one, Communicator& group) {
  one.call();  // buffers and connections
  group.barrier()->wait();
  const int64_t before = loopback_bytes();
  group.barrier()->wait();  // nobody has begun before that was read
  group.clear_ledger();
  for (int i = 0; i < kRepetitions; ++i) one.call();
  const int64_t ledger = group.ledger().total().bytes;
  group.barrier()->wait();
  const int64_t sent = loopback_bytes() - before;
  return {sum_over_ranks(group, ledger),
          sum_over_ranks(group, group.rank() == 0 ? sent : 0)};
}

// Gathers and reductions at a cut.
std::vector<Case> cases_of_cut(Communicator& group, const std::string& cut_name,
                               std::vector<int64_t> offsets) {
  const Shard cut(std::move(offsets), group.rank());
  at::Tensor whole = at::ones({kElements});
  at::Tensor piece = at::empty({cut.local_rows()});
  return {{"all_gather, " + cut_name,
           [&group, cut, whole]() mutable { group.all_gather(whole, cut)->wait(); }},
          {"reduce_scatter, " + cut_name, [&group, cut, whole, piece]() mutable {
             group.reduce_scatter(whole, piece, cut)->wait();
           }}};
}

std::vector<Case> make_cases(Communicator& group) {
  const int size = group.size();
  auto cases = cases_of_cut(group, "rows", distributed::chunk_offsets(kElements, size));
  for (auto& one : cases_of_cut(group, "halves", halving_offsets(kElements, size))) {
    cases.push_back(std::move(one));
  }
  const std::vector<int64_t> rows(size, kElements / size);
  at::Tensor whole = at::zeros({size * (kElements / size)});
  at::Tensor other = at::zeros_like(whole);
  cases.push_back({"all_to_all", [&group, rows, whole, other]() mutable {
                     group.all_to_all(whole, rows, other, rows)->wait();
                   }});
  cases.push_back({"all_reduce", [&group, whole]() mutable {
                     group.all_reduce(whole, distributed::ReduceOp::kSum)->wait();
                   }});
  cases.push_back(
      {"broadcast", [&group, whole]() mutable { group.broadcast(whole, 0)->wait(); }});
  return cases;
}

}  // namespace

bool loopback() {
  const Job job = join({.backend = distributed::BackendKind::kGloo});
  Communicator& group = job.mesh.world();
  if (group.size() == 1) {
    SHARDOPT_THROW(ConfigError,
                   "one rank sends nothing; start 2 or more, with torchrun");
  }
  const bool speaks = group.rank() == 0;
  if (speaks) {
    std::printf("%d ranks, %d calls of %ld bytes each\n", group.size(), kRepetitions,
                kElements * static_cast<int64_t>(sizeof(float)));
    std::printf("%-24s %14s %14s %8s\n", "", "ledger", "loopback", "ratio");
  }
  bool agree = true;
  for (const Case& one : make_cases(group)) {
    const auto [ledger, sent] = measure(one, group);
    const double ratio = static_cast<double>(sent) / static_cast<double>(ledger);
    const bool within = std::abs(ratio - 1.0) <= kTolerance;
    agree = agree && within;
    if (!speaks) continue;
    std::printf("%-24s %14ld %14ld %8.4f%s\n", one.name.c_str(), ledger, sent, ratio,
                within ? "" : "  beyond 5 %");
  }
  return agree;
}

}  // namespace shardopt::bench
