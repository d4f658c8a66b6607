#include "shardopt/distributed/launch.h"

#include <charconv>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "shardopt/core/error.h"

namespace shardopt::distributed {
namespace {

// A setting and where it came from, for messages: "RANK" or "--rank".
template <typename T>
struct Setting {
  std::string name;
  std::optional<T> value{};

  [[nodiscard]] std::string text() const {
    return value ? c10::str(name, " is ", *value) : name + " is not set";
  }
};

int parse_integer(const std::string& name, std::string_view text) {
  int value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    SHARDOPT_THROW(ConfigError, name, " is '", text, "'; allowed: a whole number");
  }
  return value;
}

Setting<int> read_integer(const std::string& name, const Environment& environment) {
  const auto text = environment(name);
  if (!text) return {name};
  return {name, parse_integer(name, *text)};
}

Setting<int> flag_or(const std::optional<int>& flag, const std::string& flag_name,
                     const std::string& name, const Environment& environment) {
  return flag ? Setting<int>{flag_name, flag} : read_integer(name, environment);
}

void check_range(const Setting<int>& setting, int min, int max,
                 const std::string& why) {
  if (min <= *setting.value && *setting.value <= max) return;
  SHARDOPT_THROW(ConfigError, setting.text(), "; allowed: ", min, " to ", max, why);
}

// Both or neither, size >= 1, 0 <= rank < size.
void check_pair(const Setting<int>& rank, const Setting<int>& size) {
  if (rank.value.has_value() != size.value.has_value()) {
    const auto& [given, missing] =
        rank.value ? std::pair(rank, size) : std::pair(size, rank);
    SHARDOPT_THROW(ConfigError, given.text(), " but ", missing.text(),
                   "; allowed: both or neither");
  }
  if (!size.value) return;
  if (*size.value < 1) SHARDOPT_THROW(ConfigError, size.text(), "; allowed: >= 1");
  check_range(rank, 0, *size.value - 1, c10::str(" (", size.text(), ")"));
}

// Where the ranks meet; needed only if there are several.
void read_address(const LaunchFlags& flags, const Environment& environment,
                  const Setting<int>& size, Launch& launch) {
  const std::string why = c10::str(" (", size.text(), ")");
  const Setting<std::string> address =
      flags.master_address
          ? Setting<std::string>{"--master-address", flags.master_address}
          : Setting<std::string>{"MASTER_ADDR", environment("MASTER_ADDR")};
  const Setting<int> port =
      flag_or(flags.master_port, "--master-port", "MASTER_PORT", environment);
  if (launch.size > 1 && address.value.value_or("").empty()) {
    SHARDOPT_THROW(ConfigError, address.name, " is ",
                   address.value ? "empty" : "not set", "; allowed: the host of rank 0",
                   why);
  }
  if (launch.size > 1 && !port.value) {
    SHARDOPT_THROW(ConfigError, port.text(), "; allowed: 1 to 65535", why);
  }
  if (port.value) check_range(port, 1, 65535, "");
  launch.master_address = address.value.value_or("");
  launch.master_port = port.value.value_or(0);
}

// Without a word about it, all ranks are on one machine.
void read_local(const Environment& environment, const Setting<int>& size,
                Launch& launch) {
  const Setting<int> local_rank = read_integer("LOCAL_RANK", environment);
  const Setting<int> local_size = read_integer("LOCAL_WORLD_SIZE", environment);
  check_pair(local_rank, local_size);
  launch.local_rank = local_rank.value.value_or(launch.rank);
  launch.local_size = local_size.value.value_or(launch.size);
  if (launch.local_size > launch.size) {
    SHARDOPT_THROW(ConfigError, local_size.text(), "; allowed: 1 to ", launch.size,
                   " (", size.text(), ")");
  }
}

void read_torchrun(const LaunchFlags& flags, const Environment& environment,
                   Launch& launch) {
  const bool own_address = flags.master_address || flags.master_port;
  launch.agent_store =
      !own_address && environment("TORCHELASTIC_USE_AGENT_STORE") == "True";
  launch.error_file = environment("TORCHELASTIC_ERROR_FILE").value_or("");
  const Setting<int> restarts = read_integer("TORCHELASTIC_RESTART_COUNT", environment);
  if (restarts.value.value_or(0) < 0) {
    SHARDOPT_THROW(ConfigError, restarts.text(), "; allowed: >= 0");
  }
  launch.restart_count = restarts.value.value_or(0);
}

// An address without ranks that meet there would be ignored.
void check_no_address(const LaunchFlags& flags) {
  const std::string why = " but RANK and WORLD_SIZE are not set; allowed: all or none";
  if (flags.master_address) {
    SHARDOPT_THROW(ConfigError, "--master-address is ", *flags.master_address, why);
  }
  if (flags.master_port) {
    SHARDOPT_THROW(ConfigError, "--master-port is ", *flags.master_port, why);
  }
}

// Alone, each of their processes would believe that it is the whole job.
void check_no_other_launcher(const Environment& environment) {
  for (const auto& [launcher, name] : {std::pair("mpirun", "OMPI_COMM_WORLD_SIZE"),
                                       std::pair("srun", "SLURM_STEP_NUM_TASKS")}) {
    const Setting<int> ranks = read_integer(name, environment);
    if (ranks.value.value_or(1) <= 1) continue;
    SHARDOPT_THROW(ConfigError, ranks.text(), ": ", launcher,
                   " is not understood yet; allowed: torchrun, or RANK, WORLD_SIZE, "
                   "MASTER_ADDR and MASTER_PORT in each rank's environment");
  }
}

std::string launcher_of(const LaunchFlags& flags, const Environment& environment) {
  if (flags.rank || flags.size) return "flags";
  return environment("TORCHELASTIC_RUN_ID") ? "torchrun" : "environment";
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

Launch read_launch(const LaunchFlags& flags, const Environment& environment) {
  const Setting<int> rank = flag_or(flags.rank, "--rank", "RANK", environment);
  const Setting<int> size = flag_or(flags.size, "--size", "WORLD_SIZE", environment);
  check_pair(rank, size);
  Launch launch;
  launch.launcher = "none";
  if (!size.value) {
    check_no_address(flags);
    check_no_other_launcher(environment);
    return launch;
  }
  launch.launcher = launcher_of(flags, environment);
  launch.rank = *rank.value;
  launch.size = *size.value;
  read_address(flags, environment, size, launch);
  // A rank or size given by flag is not the one that the launcher's local ones are of.
  const Environment nothing = [](const std::string&) { return std::nullopt; };
  read_local(launch.launcher == "flags" ? nothing : environment, size, launch);
  if (launch.launcher == "torchrun") read_torchrun(flags, environment, launch);
  return launch;
}

}  // namespace shardopt::distributed
