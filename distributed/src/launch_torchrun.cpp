#include "launch_parts.h"

namespace shardopt::distributed {
namespace {

constexpr char kRunId[] = "TORCHELASTIC_RUN_ID";
constexpr char kAgentStore[] = "TORCHELASTIC_USE_AGENT_STORE";

bool has_agent_store(const Environment& environment) {
  const Setting<std::string> said{kAgentStore, environment(kAgentStore)};
  const std::string value = said.value.value_or("False");
  if (value != "True" && value != "False") {
    SHARDOPT_THROW(ConfigError, said.text(), "; allowed: True, False");
  }
  return value == "True";
}

}  // namespace

Launch read_torchrun(const RankSettings& ranks, const LaunchFlags& flags,
                     const Environment& environment) {
  check_both_or_neither(Setting<std::string>{kRunId, environment(kRunId)}, ranks.rank);
  Launch launch = make_launch("torchrun", ranks);
  set_address(read_address(flags, environment), ranks.size, launch);
  // Nobody hosts a store at an address that the agent does not know.
  const bool is_own_address = flags.master_address || flags.master_port;
  launch.agent_store = has_agent_store(environment) && !is_own_address;
  launch.restart_count = read_restart_count("TORCHELASTIC_RESTART_COUNT", environment);
  return launch;
}

}  // namespace shardopt::distributed
