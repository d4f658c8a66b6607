#include <vector>

#include "launch_test.h"

namespace shardopt::distributed {
namespace {

using test::BadLaunch;
using test::launch_of;
using test::meeting_of;
using test::ranks_of;
using test::Variables;
using test::with;
using test::without;

// Rank 3 of 4: the second of two on the second machine.
const Variables kMpirun{{"OMPI_COMM_WORLD_RANK", "3"},
                        {"OMPI_COMM_WORLD_SIZE", "4"},
                        {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                        {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
const Variables kAlone{{"OMPI_COMM_WORLD_RANK", "0"},
                       {"OMPI_COMM_WORLD_SIZE", "1"},
                       {"OMPI_COMM_WORLD_LOCAL_RANK", "0"},
                       {"OMPI_COMM_WORLD_LOCAL_SIZE", "1"}};
const Variables kSameByHand{{"RANK", "3"}, {"WORLD_SIZE", "4"}};
const Variables kAddress{{"MASTER_ADDR", "a"}, {"MASTER_PORT", "2900"}};

TEST(LaunchMpirunTest, MeetsByMpi) {
  const Launch launch = launch_of(kMpirun);
  EXPECT_EQ(launch.launcher, "mpirun");
  EXPECT_EQ(ranks_of(launch), "3/4 1/2");
  EXPECT_EQ(meeting_of(launch), "mpi");
  EXPECT_EQ(launch.master_address, "");
  EXPECT_FALSE(launch.agent_store);
  EXPECT_EQ(launch.restart_count, 0);
}

TEST(LaunchMpirunTest, MeetsAtTheAddressThatIsGiven) {
  EXPECT_EQ(meeting_of(launch_of(with(kMpirun, kAddress))), "a:2900");
  EXPECT_EQ(
      meeting_of(launch_of(kMpirun, {.master_address = "b", .master_port = 3000})),
      "b:3000");
  EXPECT_EQ(meeting_of(launch_of(with(kMpirun, kAddress), {.master_port = 3000})),
            "a:3000");
}

TEST(LaunchMpirunTest, OneRankMeetsNobody) {
  const Launch launch = launch_of(with(kAlone, {{"MASTER_ADDR", "a"}}));
  EXPECT_EQ(launch.launcher, "mpirun");
  EXPECT_EQ(ranks_of(launch), "0/1 0/1");
  EXPECT_EQ(meeting_of(launch), "none");
  EXPECT_EQ(launch.master_address, "");
}

TEST(LaunchMpirunTest, VariablesSetByHandMayAgree) {
  const Variables all = with(with(kMpirun, kSameByHand),
                             {{"LOCAL_RANK", "1"}, {"LOCAL_WORLD_SIZE", "2"}});
  EXPECT_EQ(launch_of(all).launcher, "mpirun");
  EXPECT_EQ(ranks_of(launch_of(all)), "3/4 1/2");
  EXPECT_EQ(meeting_of(launch_of(all)), "mpi");
}

TEST(LaunchMpirunTest, WinsOverTheStepOfItsDaemons) {
  const Launch launch =
      launch_of(with(kMpirun, {{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}}));
  EXPECT_EQ(launch.launcher, "mpirun");
  EXPECT_EQ(ranks_of(launch), "3/4 1/2");
}

TEST(LaunchMpirunTest, FlagsWin) {
  const Launch launch = launch_of(
      kMpirun, {.rank = 0, .size = 2, .master_address = "b", .master_port = 3000});
  EXPECT_EQ(launch.launcher, "flags");
  EXPECT_EQ(ranks_of(launch), "0/2 0/2");
  EXPECT_EQ(meeting_of(launch), "b:3000");
}

class BadMpirunTest : public testing::TestWithParam<BadLaunch> {};

TEST_P(BadMpirunTest, IsNamedError) { test::expect_refused(GetParam()); }

std::vector<BadLaunch> bad_launches() {
  return {
      {"RankAlone",
       {},
       {{"OMPI_COMM_WORLD_RANK", "1"}},
       "OMPI_COMM_WORLD_RANK is 1 but OMPI_COMM_WORLD_SIZE is not set; allowed: both "
       "or neither"},
      {"SizeAlone",
       {},
       {{"OMPI_COMM_WORLD_SIZE", "4"}},
       "OMPI_COMM_WORLD_SIZE is 4 but OMPI_COMM_WORLD_RANK is not set; allowed: both "
       "or neither"},
      {"NoLocalRank",
       {},
       without(kMpirun, "OMPI_COMM_WORLD_LOCAL_RANK"),
       "OMPI_COMM_WORLD_RANK is 3 but OMPI_COMM_WORLD_LOCAL_RANK is not set; allowed: "
       "both or neither"},
      {"NoLocalSize",
       {},
       without(kMpirun, "OMPI_COMM_WORLD_LOCAL_SIZE"),
       "OMPI_COMM_WORLD_SIZE is 4 but OMPI_COMM_WORLD_LOCAL_SIZE is not set; allowed: "
       "both or neither"},
      {"RankOfSize",
       {},
       with(kMpirun, {{"OMPI_COMM_WORLD_RANK", "4"}}),
       "OMPI_COMM_WORLD_RANK is 4; allowed: 0 to 3 (OMPI_COMM_WORLD_SIZE is 4)"},
      {"SizeNoNumber",
       {},
       with(kMpirun, {{"OMPI_COMM_WORLD_SIZE", "all"}}),
       "OMPI_COMM_WORLD_SIZE is 'all'; allowed: a whole number"},
      {"LocalRankOfLocalSize",
       {},
       with(kMpirun, {{"OMPI_COMM_WORLD_LOCAL_RANK", "2"}}),
       "OMPI_COMM_WORLD_LOCAL_RANK is 2; allowed: 0 to 1 (OMPI_COMM_WORLD_LOCAL_SIZE "
       "is 2)"},
      {"LocalSizeAboveSize",
       {},
       with(kMpirun, {{"OMPI_COMM_WORLD_LOCAL_SIZE", "5"}}),
       "OMPI_COMM_WORLD_LOCAL_SIZE is 5; allowed: 1 to 4 (OMPI_COMM_WORLD_SIZE is 4)"},
      {"AddressWithoutPort",
       {},
       with(kMpirun, {{"MASTER_ADDR", "a"}}),
       "MASTER_ADDR is a but MASTER_PORT is not set; allowed: both or neither"},
      {"PortWithoutAddress",
       {},
       with(kMpirun, {{"MASTER_PORT", "2900"}}),
       "MASTER_PORT is 2900 but MASTER_ADDR is not set; allowed: both or neither"},
      {"PortFlagWithoutAddress",
       {.master_port = 3000},
       kMpirun,
       "--master-port is 3000 but MASTER_ADDR is not set; allowed: both or neither"},
      {"EmptyAddress",
       {},
       with(kMpirun, {{"MASTER_ADDR", ""}, {"MASTER_PORT", "2900"}}),
       "MASTER_ADDR is empty; allowed: the host of rank 0 (OMPI_COMM_WORLD_SIZE is 4)"},
      {"PortZero",
       {},
       with(with(kMpirun, kAddress), {{"MASTER_PORT", "0"}}),
       "MASTER_PORT is 0; allowed: 1 to 65535"},
      {"AnotherRankByHand",
       {},
       with(with(kMpirun, kSameByHand), {{"RANK", "1"}}),
       "RANK is 1 but OMPI_COMM_WORLD_RANK is 3; allowed: the same value"},
      {"AnotherSizeByHand",
       {},
       with(with(kMpirun, kSameByHand), {{"WORLD_SIZE", "8"}}),
       "WORLD_SIZE is 8 but OMPI_COMM_WORLD_SIZE is 4; allowed: the same value"},
      {"AnotherLocalRankByHand",
       {},
       with(with(kMpirun, kSameByHand), {{"LOCAL_RANK", "0"}}),
       "LOCAL_RANK is 0 but OMPI_COMM_WORLD_LOCAL_RANK is 1; allowed: the same value"},
      {"AnotherLocalSizeByHand",
       {},
       with(with(kMpirun, kSameByHand), {{"LOCAL_WORLD_SIZE", "4"}}),
       "LOCAL_WORLD_SIZE is 4 but OMPI_COMM_WORLD_LOCAL_SIZE is 2; allowed: the same "
       "value"},
      {"SeveralByHandInOne",
       {},
       with(kAlone, {{"RANK", "0"}, {"WORLD_SIZE", "4"}}),
       "WORLD_SIZE is 4 but OMPI_COMM_WORLD_SIZE is 1; allowed: the same value"},
      {"RankByHandWithoutSize",
       {},
       with(kMpirun, {{"RANK", "3"}}),
       "RANK is 3 but WORLD_SIZE is not set; allowed: both or neither"},
  };
}

INSTANTIATE_TEST_SUITE_P(Of, BadMpirunTest, testing::ValuesIn(bad_launches()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace shardopt::distributed
