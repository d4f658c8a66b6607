#include <set>
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

// Task 5 of 7: the second of two on the third of four nodes.
const Variables kSrun{{"SLURM_PROCID", "5"},
                      {"SLURM_STEP_NUM_TASKS", "7"},
                      {"SLURM_LOCALID", "1"},
                      {"SLURM_NODEID", "2"},
                      {"SLURM_STEP_NUM_NODES", "4"},
                      {"SLURM_STEP_TASKS_PER_NODE", "2(x3),1"},
                      {"SLURM_STEP_NODELIST", "node[07-09,11]"},
                      {"SLURM_JOB_ID", "12"},
                      {"SLURM_STEP_ID", "3"}};
const Variables kOneNode = with(kSrun, {{"SLURM_NODEID", "0"},
                                        {"SLURM_STEP_NUM_NODES", "1"},
                                        {"SLURM_STEP_TASKS_PER_NODE", "7"},
                                        {"SLURM_STEP_NODELIST", "node07"}});
const Variables kOneTask = with(kOneNode, {{"SLURM_PROCID", "0"},
                                           {"SLURM_LOCALID", "0"},
                                           {"SLURM_STEP_NUM_TASKS", "1"},
                                           {"SLURM_STEP_TASKS_PER_NODE", "1"}});
const Variables kSameByHand{{"RANK", "5"}, {"WORLD_SIZE", "7"}};

TEST(LaunchSrunTest, ReadsRanksAndMeetsOnTheFirstNode) {
  const Launch launch = launch_of(kSrun);
  EXPECT_EQ(launch.launcher, "srun");
  EXPECT_EQ(ranks_of(launch), "5/7 1/2");
  EXPECT_EQ(meeting_of(launch), "node07:21215");  // 20000 + 101 * 12 + 3
  EXPECT_EQ(launch.restart_count, 0);
  EXPECT_FALSE(launch.agent_store);
}

TEST(LaunchSrunTest, LocalSizeIsThatOfThisNode) {
  EXPECT_EQ(ranks_of(launch_of(with(kSrun, {{"SLURM_PROCID", "6"},
                                            {"SLURM_NODEID", "3"},
                                            {"SLURM_LOCALID", "0"}}))),
            "6/7 0/1");
}

TEST(LaunchSrunTest, OneNodeMeetsOnLoopback) {
  EXPECT_EQ(ranks_of(launch_of(kOneNode)), "5/7 1/7");
  EXPECT_EQ(meeting_of(launch_of(kOneNode)), "127.0.0.1:21215");
}

TEST(LaunchSrunTest, OneNodeNeedsNoListOfTasks) {
  const Launch launch = launch_of(without(kOneNode, "SLURM_STEP_TASKS_PER_NODE"));
  EXPECT_EQ(ranks_of(launch), "5/7 1/7");
}

TEST(LaunchSrunTest, AddressThatIsGivenWins) {
  EXPECT_EQ(meeting_of(launch_of(with(kSrun, {{"MASTER_ADDR", "a"}}))), "a:21215");
  EXPECT_EQ(meeting_of(launch_of(with(kSrun, {{"MASTER_PORT", "2900"}}))),
            "node07:2900");
  EXPECT_EQ(meeting_of(launch_of(kSrun, {.master_address = "b", .master_port = 3000})),
            "b:3000");
  const Variables no_ids = without(without(kSrun, "SLURM_JOB_ID"), "SLURM_STEP_ID");
  EXPECT_EQ(meeting_of(launch_of(with(no_ids, {{"MASTER_PORT", "2900"}}))),
            "node07:2900");
}

TEST(LaunchSrunTest, StepsOfJobsNearbyHavePortsOfTheirOwn) {
  std::set<int> ports;
  for (int job = 4000000; job < 4000099; ++job) {
    for (int step = 0; step < 101; ++step) {
      const Launch launch =
          launch_of(with(kOneNode, {{"SLURM_JOB_ID", std::to_string(job)},
                                    {"SLURM_STEP_ID", std::to_string(step)}}));
      ports.insert(launch.master_port);
    }
  }
  EXPECT_EQ(ports.size(), 99U * 101U);
  EXPECT_GE(*ports.begin(), 20000);
  EXPECT_LE(*ports.rbegin(), 29999);
}

TEST(LaunchSrunTest, LargestIdsHaveAPort) {
  const Launch launch = launch_of(with(
      kOneNode, {{"SLURM_JOB_ID", "4294967295"}, {"SLURM_STEP_ID", "4294967295"}}));
  // 4294967295 * 102 mod 10000 is 7295 * 102 mod 10000.
  EXPECT_EQ(launch.master_port, 24090);
}

TEST(LaunchSrunTest, OneTaskMeetsNobody) {
  const Launch launch = launch_of(kOneTask);
  EXPECT_EQ(launch.launcher, "srun");
  EXPECT_EQ(ranks_of(launch), "0/1 0/1");
  EXPECT_EQ(meeting_of(launch), "none");
}

TEST(LaunchSrunTest, RequeuedJobIsARestart) {
  EXPECT_EQ(launch_of(with(kSrun, {{"SLURM_RESTART_COUNT", "2"}})).restart_count, 2);
}

TEST(LaunchSrunTest, BatchScriptIsOneRank) {
  // What sbatch sets for a job of 7 tasks, before the script has called srun.
  const Launch launch = launch_of({{"SLURM_JOB_ID", "12"},
                                   {"SLURM_PROCID", "0"},
                                   {"SLURM_LOCALID", "0"},
                                   {"SLURM_NODEID", "0"},
                                   {"SLURM_NTASKS", "7"},
                                   {"SLURM_TASKS_PER_NODE", "2(x3),1"}});
  EXPECT_EQ(launch.launcher, "none");
  EXPECT_EQ(ranks_of(launch), "0/1 0/1");
}

TEST(LaunchSrunTest, VariablesSetByHandMayAgree) {
  const Launch launch = launch_of(with(kSrun, kSameByHand));
  EXPECT_EQ(launch.launcher, "srun");
  EXPECT_EQ(ranks_of(launch), "5/7 1/2");
}

TEST(LaunchSrunTest, VariablesSetByHandWinInAStepOfOneTask) {
  const Launch launch = launch_of(with(kOneTask, {{"RANK", "3"},
                                                  {"WORLD_SIZE", "4"},
                                                  {"MASTER_ADDR", "a"},
                                                  {"MASTER_PORT", "2900"}}));
  EXPECT_EQ(launch.launcher, "environment");
  EXPECT_EQ(ranks_of(launch), "3/4 3/4");
  EXPECT_EQ(meeting_of(launch), "a:2900");
}

class BadSrunTest : public testing::TestWithParam<BadLaunch> {};

TEST_P(BadSrunTest, IsNamedError) { test::expect_refused(GetParam()); }

std::vector<BadLaunch> bad_launches() {
  return {
      {"NoRank",
       {},
       without(kSrun, "SLURM_PROCID"),
       "SLURM_STEP_NUM_TASKS is 7 but SLURM_PROCID is not set; allowed: both or "
       "neither"},
      {"RankOfSize",
       {},
       with(kSrun, {{"SLURM_PROCID", "7"}}),
       "SLURM_PROCID is 7; allowed: 0 to 6 (SLURM_STEP_NUM_TASKS is 7)"},
      {"SizeNoNumber",
       {},
       with(kSrun, {{"SLURM_STEP_NUM_TASKS", "7(x1)"}}),
       "SLURM_STEP_NUM_TASKS is '7(x1)'; allowed: a whole number"},
      {"NoLocalRank",
       {},
       without(kSrun, "SLURM_LOCALID"),
       "SLURM_STEP_NUM_TASKS is 7 but SLURM_LOCALID is not set; allowed: both or "
       "neither"},
      {"LocalRankOfLocalSize",
       {},
       with(kSrun, {{"SLURM_LOCALID", "2"}}),
       "SLURM_LOCALID is 2; allowed: 0 to 1 (SLURM_STEP_TASKS_PER_NODE of SLURM_NODEID "
       "2 is 2)"},
      {"LocalSizeAboveSize",
       {},
       with(kSrun, {{"SLURM_STEP_TASKS_PER_NODE", "8(x3)"}}),
       "SLURM_STEP_TASKS_PER_NODE of SLURM_NODEID 2 is 8; allowed: 1 to 7 "
       "(SLURM_STEP_NUM_TASKS is 7)"},
      {"NoTasksPerNode",
       {},
       without(kSrun, "SLURM_STEP_TASKS_PER_NODE"),
       "SLURM_STEP_TASKS_PER_NODE is not set; allowed: tasks of each node, such as "
       "2(x3),1"},
      {"NodeBeyondTasksPerNode",
       {},
       with(kSrun, {{"SLURM_NODEID", "4"}}),
       "SLURM_STEP_TASKS_PER_NODE is '2(x3),1'; allowed: tasks of each node, such as "
       "2(x3),1, for at least 5 node(s)"},
      {"NoNode",
       {},
       without(kSrun, "SLURM_NODEID"),
       "SLURM_NODEID is not set; allowed: an index into SLURM_STEP_TASKS_PER_NODE"},
      {"NodeBelowZero",
       {},
       with(kSrun, {{"SLURM_NODEID", "-1"}}),
       "SLURM_NODEID is -1; allowed: >= 0"},
      {"NoNodeList",
       {},
       without(kSrun, "SLURM_STEP_NODELIST"),
       "SLURM_STEP_NODELIST is not set; allowed: the hosts of the step (MASTER_ADDR is "
       "not set)"},
      {"BadNodeList",
       {},
       with(kSrun, {{"SLURM_STEP_NODELIST", "node["}}),
       "SLURM_STEP_NODELIST is 'node['; allowed: hosts, such as node[01-03,07],gpu5"},
      {"EmptyAddress",
       {},
       with(kSrun, {{"MASTER_ADDR", ""}}),
       "MASTER_ADDR is empty; allowed: the host of rank 0 (SLURM_STEP_NUM_TASKS is 7)"},
      {"PortTooHigh",
       {},
       with(kSrun, {{"MASTER_PORT", "65536"}}),
       "MASTER_PORT is 65536; allowed: 1 to 65535"},
      {"NoJob",
       {},
       without(kSrun, "SLURM_JOB_ID"),
       "SLURM_JOB_ID is not set; allowed: 0 to 4294967295 (MASTER_PORT is not set)"},
      {"StepBelowZero",
       {},
       with(kSrun, {{"SLURM_STEP_ID", "-1"}}),
       "SLURM_STEP_ID is -1; allowed: 0 to 4294967295 (MASTER_PORT is not set)"},
      {"RestartBelowZero",
       {},
       with(kSrun, {{"SLURM_RESTART_COUNT", "-1"}}),
       "SLURM_RESTART_COUNT is -1; allowed: >= 0"},
      {"AnotherRankByHand",
       {},
       with(with(kSrun, kSameByHand), {{"RANK", "4"}}),
       "RANK is 4 but SLURM_PROCID is 5; allowed: the same value"},
      {"AnotherSizeByHand",
       {},
       with(with(kSrun, kSameByHand), {{"WORLD_SIZE", "8"}}),
       "WORLD_SIZE is 8 but SLURM_STEP_NUM_TASKS is 7; allowed: the same value"},
      {"AnotherLocalSizeByHand",
       {},
       with(with(kSrun, kSameByHand), {{"LOCAL_WORLD_SIZE", "7"}}),
       "LOCAL_WORLD_SIZE is 7 but SLURM_STEP_TASKS_PER_NODE of SLURM_NODEID 2 is 2; "
       "allowed: the same value"},
  };
}

INSTANTIATE_TEST_SUITE_P(Of, BadSrunTest, testing::ValuesIn(bad_launches()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace shardopt::distributed
