#include "launch_test.h"

#include <cstdlib>
#include <vector>

namespace shardopt::distributed {
namespace {

using test::BadLaunch;
using test::environment_of;
using test::launch_of;
using test::meeting_of;
using test::ranks_of;
using test::Variables;
using test::with;
using test::without;

// Rank 3 of 4: the second of two on the second machine.
const Variables kPlain{{"RANK", "3"},        {"WORLD_SIZE", "4"},
                       {"LOCAL_RANK", "1"},  {"LOCAL_WORLD_SIZE", "2"},
                       {"MASTER_ADDR", "a"}, {"MASTER_PORT", "2900"}};

const Variables kTorchrun = with(kPlain, {{"TORCHELASTIC_RUN_ID", "run"},
                                          {"TORCHELASTIC_RESTART_COUNT", "2"},
                                          {"TORCHELASTIC_USE_AGENT_STORE", "True"}});

// What a launcher of one rank sets; nobody else is at the address.
const Variables kOneByHand{
    {"RANK", "0"}, {"WORLD_SIZE", "1"}, {"LOCAL_RANK", "0"}, {"LOCAL_WORLD_SIZE", "1"}};

TEST(LaunchTest, NothingSetIsOneRank) {
  const Launch launch = launch_of({{"MASTER_PORT", "x"}});
  EXPECT_EQ(launch.launcher, "none");
  EXPECT_EQ(ranks_of(launch), "0/1 0/1");
  EXPECT_EQ(meeting_of(launch), "none");
  EXPECT_EQ(launch.master_address, "");
}

TEST(LaunchTest, ReadsTorchrun) {
  const Launch launch = launch_of(kTorchrun);
  EXPECT_EQ(launch.launcher, "torchrun");
  EXPECT_EQ(ranks_of(launch), "3/4 1/2");
  EXPECT_EQ(meeting_of(launch), "a:2900");
  EXPECT_TRUE(launch.agent_store);
  EXPECT_EQ(launch.restart_count, 2);
}

TEST(LaunchTest, TorchrunWithoutAgentStoreIsHostedByRankZero) {
  EXPECT_FALSE(launch_of(with(kTorchrun, {{"TORCHELASTIC_USE_AGENT_STORE", "False"}}))
                   .agent_store);
  EXPECT_FALSE(
      launch_of(without(kTorchrun, "TORCHELASTIC_USE_AGENT_STORE")).agent_store);
}

TEST(LaunchTest, VirtualLocalRankIsZeroOnEveryRank) {
  for (const char* rank : {"0", "1", "2", "3"}) {
    const Launch launch =
        launch_of(with(kTorchrun, {{"RANK", rank}, {"LOCAL_RANK", "0"}}));
    EXPECT_EQ(ranks_of(launch), std::string(rank) + "/4 0/2");
  }
}

// `srun torchrun` and `mpirun torchrun` start one agent on each node.
TEST(LaunchTest, TorchrunWinsOverTheLauncherOfItsAgents) {
  for (const Variables& agents :
       {Variables{{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}},
        Variables{{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}}}) {
    const Launch launch = launch_of(with(kTorchrun, agents));
    EXPECT_EQ(launch.launcher, "torchrun");
    EXPECT_EQ(ranks_of(launch), "3/4 1/2");
    EXPECT_TRUE(launch.agent_store);
  }
}

TEST(LaunchTest, TorchrunOfOneRankMeetsNobody) {
  const Launch launch = launch_of(with(kTorchrun, kOneByHand));
  EXPECT_EQ(launch.launcher, "torchrun");
  EXPECT_EQ(ranks_of(launch), "0/1 0/1");
  EXPECT_EQ(meeting_of(launch), "none");
}

TEST(LaunchTest, ReadsPlainEnvironment) {
  const Launch launch = launch_of(kPlain);
  EXPECT_EQ(launch.launcher, "environment");
  EXPECT_EQ(ranks_of(launch), "3/4 1/2");
  EXPECT_EQ(meeting_of(launch), "a:2900");
  EXPECT_FALSE(launch.agent_store);
  EXPECT_EQ(launch.restart_count, 0);
}

TEST(LaunchTest, WithoutLocalVariablesAllRanksAreOnOneMachine) {
  const Variables variables =
      without(without(kPlain, "LOCAL_RANK"), "LOCAL_WORLD_SIZE");
  EXPECT_EQ(ranks_of(launch_of(variables)), "3/4 3/4");
}

TEST(LaunchTest, OneRankNeedsNoAddress) {
  const Launch launch = launch_of({{"RANK", "0"}, {"WORLD_SIZE", "1"}});
  EXPECT_EQ(launch.launcher, "environment");
  EXPECT_EQ(ranks_of(launch), "0/1 0/1");
  EXPECT_EQ(meeting_of(launch), "none");
}

TEST(LaunchTest, FlagsAloneSuffice) {
  const Launch launch =
      launch_of({}, {.rank = 1, .size = 2, .master_address = "b", .master_port = 3000});
  EXPECT_EQ(launch.launcher, "flags");
  EXPECT_EQ(ranks_of(launch), "1/2 1/2");
  EXPECT_EQ(meeting_of(launch), "b:3000");
}

TEST(LaunchTest, EachFlagWinsOverEnvironment) {
  const Launch rank = launch_of(kTorchrun, {.rank = 2});
  EXPECT_EQ(rank.launcher, "flags");
  EXPECT_EQ(ranks_of(rank), "2/4 2/4");
  EXPECT_FALSE(rank.agent_store);
  const Launch port = launch_of(kTorchrun, {.master_port = 3000});
  EXPECT_EQ(port.launcher, "torchrun");
  EXPECT_EQ(meeting_of(port), "a:3000");
  EXPECT_FALSE(port.agent_store);
}

TEST(LaunchTest, VariablesThatFlagsReplaceAreNotRead) {
  const Launch launch =
      launch_of({{"RANK", "x"},
                 {"WORLD_SIZE", "x"},
                 {"LOCAL_RANK", "x"},
                 {"MASTER_ADDR", ""},
                 {"MASTER_PORT", "x"}},
                {.rank = 1, .size = 2, .master_address = "b", .master_port = 3000});
  EXPECT_EQ(ranks_of(launch), "1/2 1/2");
}

TEST(LaunchTest, ProcessEnvironmentReadsThisProcess) {
  ASSERT_EQ(setenv("SHARDOPT_LAUNCH_TEST", "here", 1), 0);
  EXPECT_EQ(process_environment()("SHARDOPT_LAUNCH_TEST"), "here");
  ASSERT_EQ(unsetenv("SHARDOPT_LAUNCH_TEST"), 0);
  EXPECT_EQ(process_environment()("SHARDOPT_LAUNCH_TEST"), std::nullopt);
}

std::vector<BadLaunch> bad_launches() {
  return {
      {"RankWithoutSize",
       {},
       without(kPlain, "WORLD_SIZE"),
       "RANK is 3 but WORLD_SIZE is not set; allowed: both or neither"},
      {"SizeWithoutRank",
       {},
       without(kPlain, "RANK"),
       "WORLD_SIZE is 4 but RANK is not set; allowed: both or neither"},
      {"RankFlagWithoutSize",
       {.rank = 1},
       {},
       "--rank is 1 but WORLD_SIZE is not set; allowed: both or neither"},
      {"RankOfSize",
       {},
       with(kPlain, {{"RANK", "4"}}),
       "RANK is 4; allowed: 0 to 3 (WORLD_SIZE is 4)"},
      {"RankBelowZero",
       {},
       with(kPlain, {{"RANK", "-1"}}),
       "RANK is -1; allowed: 0 to 3 (WORLD_SIZE is 4)"},
      {"FlagRankOfSize",
       {.rank = 7},
       kPlain,
       "--rank is 7; allowed: 0 to 3 (WORLD_SIZE is 4)"},
      {"FlagSizeBelowRank",
       {.size = 2},
       kPlain,
       "RANK is 3; allowed: 0 to 1 (--size is 2)"},
      {"SizeZero",
       {},
       with(kPlain, {{"WORLD_SIZE", "0"}}),
       "WORLD_SIZE is 0; allowed: >= 1"},
      {"RankNoNumber",
       {},
       with(kPlain, {{"RANK", "two"}}),
       "RANK is 'two'; allowed: a whole number"},
      {"RankEmpty",
       {},
       with(kPlain, {{"RANK", ""}}),
       "RANK is ''; allowed: a whole number"},
      {"SizeHasTail",
       {},
       with(kPlain, {{"WORLD_SIZE", "4 "}}),
       "WORLD_SIZE is '4 '; allowed: a whole number"},
      {"SizeTooLong",
       {},
       with(kPlain, {{"WORLD_SIZE", "99999999999"}}),
       "WORLD_SIZE is '99999999999'; allowed: a whole number"},
      {"NoPort",
       {},
       without(kPlain, "MASTER_PORT"),
       "MASTER_PORT is not set; allowed: 1 to 65535 (WORLD_SIZE is 4)"},
      {"PortTooHigh",
       {},
       with(kPlain, {{"MASTER_PORT", "65536"}}),
       "MASTER_PORT is 65536; allowed: 1 to 65535"},
      {"PortZero",
       {},
       with(kPlain, {{"MASTER_PORT", "0"}}),
       "MASTER_PORT is 0; allowed: 1 to 65535"},
      {"FlagPort",
       {.master_port = -5},
       kPlain,
       "--master-port is -5; allowed: 1 to 65535"},
      {"PortFlagAlone",
       {.master_port = 3000},
       {},
       "--master-port is 3000 but RANK and WORLD_SIZE are not set; allowed: all or "
       "none"},
      {"AddressFlagAlone",
       {.master_address = "b"},
       {},
       "--master-address is b but RANK and WORLD_SIZE are not set; allowed: all or "
       "none"},
      {"PortNoNumber",
       {},
       with(kPlain, {{"MASTER_PORT", "http"}}),
       "MASTER_PORT is 'http'; allowed: a whole number"},
      {"NoAddress",
       {},
       without(kPlain, "MASTER_ADDR"),
       "MASTER_ADDR is not set; allowed: the host of rank 0 (WORLD_SIZE is 4)"},
      {"EmptyAddress",
       {},
       with(kPlain, {{"MASTER_ADDR", ""}}),
       "MASTER_ADDR is empty; allowed: the host of rank 0 (WORLD_SIZE is 4)"},
      {"LocalRankAlone",
       {},
       without(kPlain, "LOCAL_WORLD_SIZE"),
       "LOCAL_RANK is 1 but LOCAL_WORLD_SIZE is not set; allowed: both or neither"},
      {"LocalRankOfSize",
       {},
       with(kPlain, {{"LOCAL_RANK", "2"}}),
       "LOCAL_RANK is 2; allowed: 0 to 1 (LOCAL_WORLD_SIZE is 2)"},
      {"LocalSizeAboveSize",
       {},
       with(kPlain, {{"LOCAL_WORLD_SIZE", "5"}}),
       "LOCAL_WORLD_SIZE is 5; allowed: 1 to 4 (WORLD_SIZE is 4)"},
      {"RestartBelowZero",
       {},
       with(kTorchrun, {{"TORCHELASTIC_RESTART_COUNT", "-1"}}),
       "TORCHELASTIC_RESTART_COUNT is -1; allowed: >= 0"},
      {"AgentStoreUnknown",
       {},
       with(kTorchrun, {{"TORCHELASTIC_USE_AGENT_STORE", "1"}}),
       "TORCHELASTIC_USE_AGENT_STORE is 1; allowed: True, False"},
      {"TorchrunWithoutRank",
       {},
       without(without(kTorchrun, "RANK"), "WORLD_SIZE"),
       "TORCHELASTIC_RUN_ID is run but RANK is not set; allowed: both or neither"},
      {"TorchrunWithoutSize",
       {},
       without(kTorchrun, "WORLD_SIZE"),
       "RANK is 3 but WORLD_SIZE is not set; allowed: both or neither"},
  };
}

class BadLaunchTest : public testing::TestWithParam<BadLaunch> {};

TEST_P(BadLaunchTest, IsNamedError) { test::expect_refused(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Of, BadLaunchTest, testing::ValuesIn(bad_launches()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace shardopt::distributed
