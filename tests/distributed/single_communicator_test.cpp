#include <gtest/gtest.h>

#include "distributed/communicator_contract.h"

namespace shardopt::distributed {
namespace {

TEST(SingleCommunicatorTest, IsRankZeroOfOne) {
  const auto comm = make_single_communicator();
  EXPECT_EQ(comm->rank(), 0);
  EXPECT_EQ(comm->size(), 1);
}

TEST(SingleCommunicatorTest, KeepsContract) {
  run_contract(*make_single_communicator());
}

}  // namespace
}  // namespace shardopt::distributed
