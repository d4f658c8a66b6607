#include "host_list.h"
#include "launch_parts.h"

namespace shardopt::distributed {
namespace {

constexpr char kTasks[] = "SLURM_STEP_NUM_TASKS";
constexpr char kNodes[] = "SLURM_STEP_NUM_NODES";
constexpr char kTasksPerNode[] = "SLURM_STEP_TASKS_PER_NODE";
constexpr char kNodeList[] = "SLURM_STEP_NODELIST";

// Below the ports that Linux gives to outgoing connections, from 32768 on.
constexpr int64_t kFirstPort = 20000;
constexpr int64_t kPorts = 10000;
// Jobs with neighbouring ids are that far apart; coprime to kPorts.
constexpr int64_t kPortsBetweenJobs = 101;
constexpr int64_t kMaxId = UINT32_MAX;

int64_t read_id(const std::string& name, const Environment& environment) {
  const auto id = read_number<int64_t>(name, environment);
  const std::string why = " (MASTER_PORT is not set)";
  check_given(id, c10::str("0 to ", kMaxId, why));
  check_range<int64_t>(id, 0, kMaxId, why);
  return *id.value;
}

Setting<int> step_port(const Environment& environment) {
  const int64_t job = read_id("SLURM_JOB_ID", environment);
  const int64_t step = read_id("SLURM_STEP_ID", environment);
  const int64_t port = kFirstPort + (job * kPortsBetweenJobs + step) % kPorts;
  return {"MASTER_PORT", static_cast<int>(port)};
}

bool is_on_one_node(const Environment& environment) {
  return read_number(kNodes, environment).value == 1;
}

Setting<std::string> first_host_of_step(const Environment& environment) {
  if (is_on_one_node(environment)) return {kNodes, "127.0.0.1"};
  const Setting<std::string> list{kNodeList, environment(kNodeList)};
  check_given(list, "the hosts of the step (MASTER_ADDR is not set)");
  return {kNodeList, first_host(kNodeList, *list.value)};
}

// Slurm says it for all nodes of the step at once.
Setting<int> local_size(const Setting<int>& size, const Environment& environment) {
  const Setting<std::string> counts{kTasksPerNode, environment(kTasksPerNode)};
  if (!counts.value && is_on_one_node(environment)) return size;
  check_given(counts, "tasks of each node, such as 2(x3),1");
  const Setting<int> node = read_number("SLURM_NODEID", environment);
  check_given(node, c10::str("an index into ", kTasksPerNode));
  if (*node.value < 0) SHARDOPT_THROW(ConfigError, node.text(), "; allowed: >= 0");
  return {c10::str(kTasksPerNode, " of ", node.name, " ", *node.value),
          tasks_on_node(kTasksPerNode, *counts.value, *node.value)};
}

}  // namespace

std::optional<RankSettings> find_srun_ranks(const Environment& environment) {
  const Setting<int> size = read_number(kTasks, environment);
  if (!size.value) return std::nullopt;
  RankSettings ranks{read_number("SLURM_PROCID", environment), size,
                     read_number("SLURM_LOCALID", environment),
                     local_size(size, environment)};
  check_both_or_neither(ranks.rank, ranks.size);
  check_both_or_neither(ranks.size, ranks.local_rank);
  return ranks;
}

Launch read_srun(const RankSettings& ranks, const LaunchFlags& flags,
                 const Environment& environment) {
  Launch launch = make_launch("srun", ranks);
  launch.restart_count = read_restart_count("SLURM_RESTART_COUNT", environment);
  AddressSettings address = read_address(flags, environment);
  if (launch.size == 1) return launch;
  if (!address.host.value) address.host = first_host_of_step(environment);
  if (!address.port.value) address.port = step_port(environment);
  set_address(address, ranks.size, launch);
  return launch;
}

}  // namespace shardopt::distributed
