#include "shardopt/distributed/launch.h"

#include <gtest/gtest.h>

#include <map>

#include "shardopt/core/error.h"

namespace shardopt::distributed {
namespace {

using Variables = std::map<std::string, std::string>;

Environment environment_of(const Variables& variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    const auto it = variables.find(name);
    return it == variables.end() ? std::nullopt : std::optional(it->second);
  };
}

Variables with(Variables variables, const Variables& changes) {
  for (const auto& [name, value] : changes) variables[name] = value;
  return variables;
}

Variables without(Variables variables, const std::string& name) {
  variables.erase(name);
  return variables;
}

// Rank 3 of 4: the second of two on the second machine.
const Variables kPlain{{"RANK", "3"},        {"WORLD_SIZE", "4"},
                       {"LOCAL_RANK", "1"},  {"LOCAL_WORLD_SIZE", "2"},
                       {"MASTER_ADDR", "a"}, {"MASTER_PORT", "2900"}};

const Variables kTorchrun =
    with(kPlain, {{"TORCHELASTIC_RUN_ID", "run"},
                  {"TORCHELASTIC_RESTART_COUNT", "2"},
                  {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                  {"TORCHELASTIC_ERROR_FILE", "/tmp/error.json"}});

TEST(LaunchTest, NothingSetIsOneRank) {
  const Launch launch = read_launch({}, environment_of({{"MASTER_PORT", "x"}}));
  EXPECT_EQ(launch.launcher, "none");
  EXPECT_EQ(launch.rank, 0);
  EXPECT_EQ(launch.size, 1);
  EXPECT_EQ(launch.local_size, 1);
  EXPECT_EQ(launch.master_address, "");
}

TEST(LaunchTest, ReadsTorchrun) {
  const Launch launch = read_launch({}, environment_of(kTorchrun));
  EXPECT_EQ(launch.launcher, "torchrun");
  EXPECT_EQ(launch.rank, 3);
  EXPECT_EQ(launch.size, 4);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_size, 2);
  EXPECT_EQ(launch.master_address, "a");
  EXPECT_EQ(launch.master_port, 2900);
  EXPECT_TRUE(launch.agent_store);
  EXPECT_EQ(launch.restart_count, 2);
  EXPECT_EQ(launch.error_file, "/tmp/error.json");
}

TEST(LaunchTest, TorchrunWithoutAgentStoreIsHostedByRankZero) {
  const Variables variables =
      with(kTorchrun, {{"TORCHELASTIC_USE_AGENT_STORE", "False"}});
  EXPECT_FALSE(read_launch({}, environment_of(variables)).agent_store);
}

TEST(LaunchTest, ReadsPlainEnvironment) {
  const Launch launch = read_launch({}, environment_of(kPlain));
  EXPECT_EQ(launch.launcher, "environment");
  EXPECT_EQ(launch.rank, 3);
  EXPECT_FALSE(launch.agent_store);
  EXPECT_EQ(launch.restart_count, 0);
}

TEST(LaunchTest, WithoutLocalVariablesAllRanksAreOnOneMachine) {
  const Variables variables =
      without(without(kPlain, "LOCAL_RANK"), "LOCAL_WORLD_SIZE");
  const Launch launch = read_launch({}, environment_of(variables));
  EXPECT_EQ(launch.local_rank, 3);
  EXPECT_EQ(launch.local_size, 4);
}

TEST(LaunchTest, OneRankNeedsNoAddress) {
  const Launch launch =
      read_launch({}, environment_of({{"RANK", "0"}, {"WORLD_SIZE", "1"}}));
  EXPECT_EQ(launch.launcher, "environment");
  EXPECT_EQ(launch.size, 1);
}

TEST(LaunchTest, FlagsAloneSuffice) {
  const Launch launch =
      read_launch({.rank = 1, .size = 2, .master_address = "b", .master_port = 3000},
                  environment_of({}));
  EXPECT_EQ(launch.launcher, "flags");
  EXPECT_EQ(launch.rank, 1);
  EXPECT_EQ(launch.size, 2);
  EXPECT_EQ(launch.master_address, "b");
  EXPECT_EQ(launch.master_port, 3000);
}

TEST(LaunchTest, EachFlagWinsOverEnvironment) {
  const Launch rank = read_launch({.rank = 2}, environment_of(kTorchrun));
  EXPECT_EQ(rank.launcher, "flags");
  EXPECT_EQ(rank.rank, 2);
  EXPECT_EQ(rank.size, 4);
  EXPECT_EQ(rank.local_rank, 2);
  EXPECT_FALSE(rank.agent_store);
  const Launch port = read_launch({.master_port = 3000}, environment_of(kTorchrun));
  EXPECT_EQ(port.launcher, "torchrun");
  EXPECT_EQ(port.master_port, 3000);
  EXPECT_EQ(port.master_address, "a");
  EXPECT_FALSE(port.agent_store);
}

TEST(LaunchTest, LauncherThatIsNotUnderstoodIsNamedError) {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    EXPECT_EQ(read_launch({}, environment_of({{name, "1"}})).size, 1);
    EXPECT_EQ(read_launch({}, environment_of(with(kPlain, {{name, "4"}}))).rank, 3);
    try {
      (void)read_launch({}, environment_of({{name, "4"}}));
      ADD_FAILURE() << name << " was ignored";
    } catch (const ConfigError& error) {
      EXPECT_EQ(std::string(error.what_without_backtrace()).find(name), 0U);
    }
  }
}

TEST(LaunchTest, ProcessEnvironmentReadsThisProcess) {
  ASSERT_EQ(setenv("SHARDOPT_LAUNCH_TEST", "here", 1), 0);
  EXPECT_EQ(process_environment()("SHARDOPT_LAUNCH_TEST"), "here");
  ASSERT_EQ(unsetenv("SHARDOPT_LAUNCH_TEST"), 0);
  EXPECT_EQ(process_environment()("SHARDOPT_LAUNCH_TEST"), std::nullopt);
}

struct BadLaunch {
  const char* name;
  LaunchFlags flags;
  Variables variables;
  std::string message;
};

BadLaunch bad(const char* name, const LaunchFlags& flags, const Variables& variables,
              const std::string& message) {
  return {name, flags, variables, message};
}

std::vector<BadLaunch> bad_launches() {
  return {
      bad("RankWithoutSize", {}, without(kPlain, "WORLD_SIZE"),
          "RANK is 3 but WORLD_SIZE is not set; allowed: both or neither"),
      bad("SizeWithoutRank", {}, without(kPlain, "RANK"),
          "WORLD_SIZE is 4 but RANK is not set; allowed: both or neither"),
      bad("RankFlagWithoutSize", {.rank = 1}, {},
          "--rank is 1 but WORLD_SIZE is not set; allowed: both or neither"),
      bad("RankOfSize", {}, with(kPlain, {{"RANK", "4"}}),
          "RANK is 4; allowed: 0 to 3 (WORLD_SIZE is 4)"),
      bad("RankBelowZero", {}, with(kPlain, {{"RANK", "-1"}}),
          "RANK is -1; allowed: 0 to 3 (WORLD_SIZE is 4)"),
      bad("FlagRankOfSize", {.rank = 7}, kPlain,
          "--rank is 7; allowed: 0 to 3 (WORLD_SIZE is 4)"),
      bad("FlagSizeBelowRank", {.size = 2}, kPlain,
          "RANK is 3; allowed: 0 to 1 (--size is 2)"),
      bad("SizeZero", {}, with(kPlain, {{"WORLD_SIZE", "0"}}),
          "WORLD_SIZE is 0; allowed: >= 1"),
      bad("RankNoNumber", {}, with(kPlain, {{"RANK", "two"}}),
          "RANK is 'two'; allowed: a whole number"),
      bad("RankEmpty", {}, with(kPlain, {{"RANK", ""}}),
          "RANK is ''; allowed: a whole number"),
      bad("SizeHasTail", {}, with(kPlain, {{"WORLD_SIZE", "4 "}}),
          "WORLD_SIZE is '4 '; allowed: a whole number"),
      bad("SizeTooLong", {}, with(kPlain, {{"WORLD_SIZE", "99999999999"}}),
          "WORLD_SIZE is '99999999999'; allowed: a whole number"),
      bad("NoPort", {}, without(kPlain, "MASTER_PORT"),
          "MASTER_PORT is not set; allowed: 1 to 65535 (WORLD_SIZE is 4)"),
      bad("PortTooHigh", {}, with(kPlain, {{"MASTER_PORT", "65536"}}),
          "MASTER_PORT is 65536; allowed: 1 to 65535"),
      bad("PortZero", {}, with(kPlain, {{"MASTER_PORT", "0"}}),
          "MASTER_PORT is 0; allowed: 1 to 65535"),
      bad("FlagPort", {.master_port = -5}, kPlain,
          "--master-port is -5; allowed: 1 to 65535"),
      bad("PortFlagAlone", {.master_port = 3000}, {},
          "--master-port is 3000 but RANK and WORLD_SIZE are not set; allowed: all or "
          "none"),
      bad("AddressFlagAlone", {.master_address = "b"}, {},
          "--master-address is b but RANK and WORLD_SIZE are not set; allowed: all or "
          "none"),
      bad("PortNoNumber", {}, with(kPlain, {{"MASTER_PORT", "http"}}),
          "MASTER_PORT is 'http'; allowed: a whole number"),
      bad("NoAddress", {}, without(kPlain, "MASTER_ADDR"),
          "MASTER_ADDR is not set; allowed: the host of rank 0 (WORLD_SIZE is 4)"),
      bad("EmptyAddress", {}, with(kPlain, {{"MASTER_ADDR", ""}}),
          "MASTER_ADDR is empty; allowed: the host of rank 0 (WORLD_SIZE is 4)"),
      bad("LocalRankAlone", {}, without(kPlain, "LOCAL_WORLD_SIZE"),
          "LOCAL_RANK is 1 but LOCAL_WORLD_SIZE is not set; allowed: both or neither"),
      bad("LocalRankOfSize", {}, with(kPlain, {{"LOCAL_RANK", "2"}}),
          "LOCAL_RANK is 2; allowed: 0 to 1 (LOCAL_WORLD_SIZE is 2)"),
      bad("LocalSizeAboveSize", {}, with(kPlain, {{"LOCAL_WORLD_SIZE", "5"}}),
          "LOCAL_WORLD_SIZE is 5; allowed: 1 to 4 (WORLD_SIZE is 4)"),
      bad("RestartBelowZero", {},
          with(kTorchrun, {{"TORCHELASTIC_RESTART_COUNT", "-1"}}),
          "TORCHELASTIC_RESTART_COUNT is -1; allowed: >= 0"),
  };
}

class BadLaunchTest : public testing::TestWithParam<BadLaunch> {};

TEST_P(BadLaunchTest, IsNamedError) {
  const auto& [name, flags, variables, message] = GetParam();
  try {
    (void)read_launch(flags, environment_of(variables));
    FAIL() << "nothing was thrown";
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.what_without_backtrace(), message);
  }
}

INSTANTIATE_TEST_SUITE_P(Of, BadLaunchTest, testing::ValuesIn(bad_launches()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace shardopt::distributed
