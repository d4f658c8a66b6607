/// The subcommands of shardopt-bench. Each prints a table, on rank 0 if there are more.
#pragma once

#include "bench/bench_run.h"

namespace shardopt::bench {

/// CPU time of one rank sharded over one rank plain, pair by pair.
void overhead(const Settings& settings);

/// Bytes of tensors on a rank: held between steps, and the most within a step. The
/// batch is one short sample, so that activations do not count. Collective.
void memory(Settings settings);

/// Steps with and without overlap, in turns: time, share of it in which compute waits,
/// and CPU time. Collective.
void overlap(const Settings& settings);

/// What a step moves by the ledgers of ranks that are threads, against the formula.
/// Returns whether every row agrees.
[[nodiscard]] bool wire(Settings settings);

/// What collectives over Gloo put on the loopback interface, against the ledger.
/// Returns whether every row agrees within 5 %. Counts what other programs send there
/// too. Collective; every rank returns the same.
[[nodiscard]] bool loopback();

/// Updates of the weights of settings.model by `algorithm`, or copies of them if it is
/// "copy", without a model. Prints a line of JSON with shapes and options; then, for
/// each number of steps on standard input, one with the seconds that they took.
void optimizer_speed(const Settings& settings, const std::string& algorithm);

struct CheckpointSettings {
  std::string action;  ///< save, async, load or raw.
  std::string path;    ///< A root; of raw, a folder.
  int64_t mib_per_rank = 1024;
  int64_t budget_mib = 1024;  ///< Of memory for copies.
};

/// Saves, loads, or writes as many bytes past the page cache without any format; prints
/// one line of JSON: seconds of the slowest rank, CPU seconds of all, bytes, and the
/// most memory that a rank needed beside the state. Collective.
void checkpoint_speed(const CheckpointSettings& settings);

}  // namespace shardopt::bench
