#include "distributed/communicator_contract.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "shardopt/distributed/layout.h"

namespace shardopt::distributed {
namespace {

int failed_assertions() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  return test->result()->total_part_count();
}

// One line for each case and rank, in one write: ranks share the file.
void report(const std::string& case_name, bool has_passed) {
  const char* path = std::getenv(kContractReport);
  if (path == nullptr) return;
  std::ofstream(path, std::ios::app)
      << case_name + (has_passed ? ": passed\n" : ": failed\n");
}

}  // namespace

std::vector<std::vector<int64_t>> sample_cuts(int ranks) {
  std::vector<int64_t> rising{0};
  std::vector<int64_t> holes{0};
  std::vector<int64_t> on_first{0};
  std::vector<int64_t> on_last{0};
  for (int rank = 0; rank < ranks; ++rank) {
    rising.push_back(rising.back() + rank + 1);
    holes.push_back(holes.back() + (rank % 2 == 0 ? 3 : 0));
    on_first.push_back(5);
    on_last.push_back(rank + 1 == ranks ? 5 : 0);
  }
  return {chunk_offsets(7, ranks), rising, holes, on_first, on_last,
          chunk_offsets(0, ranks)};
}

std::vector<ContractCase> contract_cases() {
  std::vector<ContractCase> all = collective_cases();
  for (auto cases : {call_cases(), misuse_cases()}) {
    std::ranges::move(cases, std::back_inserter(all));
  }
  return all;
}

void run_contract(Communicator& communicator) {
  for (const ContractCase& contract_case : contract_cases()) {
    SCOPED_TRACE(contract_case.name);
    const int before = failed_assertions();
    contract_case.run(communicator);
    report(contract_case.name, failed_assertions() == before);
  }
}

void expect_apart(Communicator& one, Communicator& other) {
  at::Tensor ones = at::ones({2});
  at::Tensor twos = at::full({2}, 2.0);

  const auto first = one.rank() == 0 ? one.all_reduce(ones, ReduceOp::kSum)
                                     : other.all_reduce(twos, ReduceOp::kSum);
  const auto second = one.rank() == 0 ? other.all_reduce(twos, ReduceOp::kSum)
                                      : one.all_reduce(ones, ReduceOp::kSum);
  first->wait();
  second->wait();

  EXPECT_TRUE(at::equal(ones, at::full({2}, 2.0)));
  EXPECT_TRUE(at::equal(twos, at::full({2}, 4.0)));
}

}  // namespace shardopt::distributed
