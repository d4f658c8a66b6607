#include "shardopt/distributed/checked_communicator.h"

#include <functional>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "distributed/communicator_contract.h"
#include "shardopt/core/error.h"
#include "shardopt/core/shard.h"
#include "support/checked_ranks.h"

namespace shardopt::distributed {
namespace {

using Call = std::function<std::unique_ptr<Work>(Communicator&)>;

// Rank 1 makes `other` where rank 0 makes `first`: each gets an error with `words`, and
// nothing was sent but the comparison.
void expect_disagreement(const Call& first, const Call& other,
                         const std::string& words) {
  test::run_checked_ranks(2, [&](Communicator& comm, const Communicator& inner) {
    try {
      (comm.rank() == 0 ? first : other)(comm)->wait();
      ADD_FAILURE() << "nothing was thrown; expected: " << words;
    } catch (const CommError& error) {
      const std::string text = error.what_without_backtrace();
      EXPECT_NE(text.find(words), std::string::npos) << text;
    }
    EXPECT_EQ(inner.ledger().total().calls,
              inner.ledger().entry(Collective::kAllGather).calls);
  });
}

std::unique_ptr<Work> sum_of(Communicator& comm, at::Tensor tensor) {
  return comm.all_reduce(tensor, ReduceOp::kSum);
}

TEST(CheckedCommunicatorTest, KeepsContract) {
  for (const int size : {1, 2, 3, 4, 7}) {
    test::run_checked_ranks(
        size, [](Communicator& comm, const Communicator&) { run_contract(comm); });
  }
}

TEST(CheckedCommunicatorTest, OtherCollectiveIsNamed) {
  expect_disagreement(
      [](Communicator& comm) { return comm.barrier(); },
      [](Communicator& comm) { return sum_of(comm, at::ones({3})); },
      "failed: rank 0 called barrier, but rank 1 called all_reduce sum of Float [3]");
}

TEST(CheckedCommunicatorTest, OtherShapeIsNamed) {
  expect_disagreement(
      [](Communicator& comm) {
        return sum_of(comm, at::ones({3, 4}));
      },
      [](Communicator& comm) {
        return sum_of(comm, at::ones({4, 3}));
      },
      "rank 0 called all_reduce sum of Float [3, 4], but rank 1 called "
      "all_reduce sum of Float [4, 3]");
}

TEST(CheckedCommunicatorTest, OtherDtypeIsNamed) {
  expect_disagreement(
      [](Communicator& comm) { return sum_of(comm, at::ones({3})); },
      [](Communicator& comm) { return sum_of(comm, at::ones({3}, at::kDouble)); },
      "but rank 1 called all_reduce sum of Double [3]");
}

TEST(CheckedCommunicatorTest, OtherOpIsNamed) {
  expect_disagreement([](Communicator& comm) { return sum_of(comm, at::ones({3})); },
                      [](Communicator& comm) {
                        at::Tensor tensor = at::ones({3});
                        return comm.all_reduce(tensor, ReduceOp::kMax);
                      },
                      "but rank 1 called all_reduce max of Float [3]");
}

TEST(CheckedCommunicatorTest, OtherCutIsNamed) {
  const auto gather = [](std::vector<int64_t> offsets) {
    return [offsets](Communicator& comm) {
      at::Tensor whole = at::zeros({4});
      return comm.all_gather(whole, Shard(offsets, comm.rank()));
    };
  };
  expect_disagreement(
      gather({0, 2, 4}), gather({0, 1, 4}),
      "rank 0 called all_gather of Float [4] cut at [0, 2, 4], but rank "
      "1 called all_gather of Float [4] cut at [0, 1, 4]");
}

TEST(CheckedCommunicatorTest, OtherRootIsNamed) {
  const auto from = [](int root) {
    return [root](Communicator& comm) {
      at::Tensor tensor = at::zeros({2});
      return comm.broadcast(tensor, root);
    };
  };
  expect_disagreement(from(0), from(1), "but rank 1 called broadcast from rank 1 of");
}

TEST(CheckedCommunicatorTest, CountsOfAllToAllThatDoNotMatchAreNamed) {
  test::run_checked_ranks(2, [](Communicator& comm, const Communicator&) {
    const std::vector<int64_t> sent{1, 2};
    const std::vector<int64_t> expected =
        comm.rank() == 0 ? std::vector<int64_t>{1, 1} : std::vector<int64_t>{3, 2};
    const at::Tensor input = at::ones({3});
    at::Tensor output = at::ones({expected[0] + expected[1]});
    try {
      (void)comm.all_to_all(input, sent, output, expected);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const CommError& error) {
      const std::string text = error.what_without_backtrace();
      EXPECT_NE(text.find("rank 0 sends 2 row(s) to rank 1, which expects 3"),
                std::string::npos)
          << text;
    }
  });
}

TEST(CheckedCommunicatorTest, LongDescriptionsAreToldApartToTheirEnd) {
  const auto gather = [](int64_t last) {
    return [last](Communicator& comm) {
      std::vector<int64_t> sizes(60, 1);
      sizes.back() = last;
      return sum_of(comm, at::zeros(sizes));
    };
  };
  expect_disagreement(gather(2), gather(3), "but rank 1 called all_reduce sum");
}

}  // namespace
}  // namespace shardopt::distributed
