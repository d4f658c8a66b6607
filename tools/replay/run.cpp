#include "replay/run.h"

#include <chrono>
#include <cstring>
#include <exception>
#include <thread>

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>

#include "shardopt/core/error.h"
#include "shardopt/distributed/thread_mesh.h"

#include "replay/rank_replay.h"

namespace shardopt::replay {
namespace {

// A rank may compute for long while its peers wait; one that fails is noticed at once.
constexpr std::chrono::hours kPatience{1};

struct RankOutcome {
  Replay replay{};
  std::exception_ptr error{};
};

void run_rank(const Case& given, distributed::MeshGroups groups, RankOutcome& outcome) {
  at::set_num_threads(1);  // Ranks are the threads here.
  try {
    const distributed::Mesh mesh(std::move(groups));
    outcome.replay = RankReplay(given, mesh).run();
  } catch (...) {
    outcome.error = std::current_exception();
  }
}

/// In the order of the world's ranks.
std::vector<RankOutcome> run_ranks(const Case& given) {
  auto meshes = distributed::make_thread_meshes(given.ranks, given.replicas, kPatience);
  std::vector<RankOutcome> outcomes(meshes.size());
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < meshes.size(); ++rank) {
    threads.emplace_back(run_rank, std::cref(given), std::move(meshes[rank]),
                         std::ref(outcomes[rank]));
  }
  for (std::thread& thread : threads) thread.join();
  return outcomes;
}

// A rank that failed takes its peers along: their CommErrors say nothing of why.
void rethrow_cause(const std::vector<RankOutcome>& outcomes) {
  std::exception_ptr first;
  for (const RankOutcome& outcome : outcomes) {
    if (!outcome.error) continue;
    if (!first) first = outcome.error;
    try {
      std::rethrow_exception(outcome.error);
    } catch (const CommError&) {
      continue;
    }
  }
  if (first) std::rethrow_exception(first);
}

bool is_same(const at::Tensor& a, const at::Tensor& b) {
  if (a.nbytes() == 0) return b.nbytes() == 0;
  return std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

/// The whole tensor of which the ranks of each copy have rows.
at::Tensor join(const Case& given, const std::vector<at::Tensor>& rows,
                const std::string& name) {
  const auto ranks = static_cast<std::size_t>(given.ranks);
  for (std::size_t rank = ranks; rank < rows.size(); ++rank) {
    if (is_same(rows[rank], rows[rank % ranks])) continue;
    SHARDOPT_THROW(ShardingError, name, ": copy ", rank / ranks,
                   " differs from copy 0");
  }
  return at::cat(at::TensorList(rows.data(), ranks));
}

using GetWeights = const std::vector<Weights>& (*)(const Replay&);

std::vector<Weights> join_all(const Case& given,
                              const std::vector<RankOutcome>& outcomes,
                              GetWeights get) {
  std::vector<Weights> joined(given.gradients.size());
  for (std::size_t call = 0; call < joined.size(); ++call) {
    for (std::size_t i = 0; i < given.parameters.size(); ++i) {
      std::vector<at::Tensor> rows;
      for (const RankOutcome& outcome : outcomes) {
        rows.push_back(get(outcome.replay)[call][i]);
      }
      joined[call].push_back(join(given, rows, given.parameters[i].name));
    }
  }
  return joined;
}

}  // namespace

Replay run_case(const Case& given) {
  std::vector<RankOutcome> outcomes = run_ranks(given);
  rethrow_cause(outcomes);
  std::vector<Weights> parameters = join_all(
      given, outcomes,
      [](const Replay& replay) -> const auto& { return replay.parameters; });
  std::optional<std::vector<Weights>> evaluation;
  if (outcomes.front().replay.evaluation) {
    evaluation = join_all(
        given, outcomes,
        [](const Replay& replay) -> const auto& { return *replay.evaluation; });
  }
  Replay whole = std::move(outcomes.front().replay);
  whole.parameters = std::move(parameters);
  whole.evaluation = std::move(evaluation);
  return whole;
}

}  // namespace shardopt::replay
