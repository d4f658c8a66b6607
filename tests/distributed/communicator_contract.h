/// What every communicator must do, as cases to be run on each rank of a group.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "shardopt/distributed/communicator.h"

namespace shardopt::distributed {

/// Run it on all ranks of a group of any size.
struct ContractCase {
  std::string name;
  std::function<void(Communicator&)> run;
};

/// Results of the collectives, in every dtype and for all manner of cuts.
[[nodiscard]] std::vector<ContractCase> collective_cases();

/// Calls under way together, abandoned, on empty tensors; the ledger; memory.
[[nodiscard]] std::vector<ContractCase> call_cases();

/// Arguments that break a precondition.
[[nodiscard]] std::vector<ContractCase> misuse_cases();

/// All of them.
[[nodiscard]] std::vector<ContractCase> contract_cases();

/// The environment variable that names a file for what has become of each case.
inline constexpr char kContractReport[] = "SHARDOPT_CONTRACT_REPORT";

/// Runs each case of contract_cases() in turn, naming it in failures. Where
/// kContractReport is set, every rank appends "NAME: passed" or "NAME: failed" to that
/// file; of ranks that are threads, others may be blamed for a failure too.
void run_contract(Communicator& communicator);

/// That calls of two groups of the same 2 ranks do not meet each other, though each
/// rank makes them in another order.
void expect_apart(Communicator& one, Communicator& other);

/// Cuts for `ranks` ranks: chunked, rising, with holes, all on the first or the last
/// rank, of nothing.
[[nodiscard]] std::vector<std::vector<int64_t>> sample_cuts(int ranks);

}  // namespace shardopt::distributed
