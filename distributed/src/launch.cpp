#include "shardopt/distributed/launch.h"

#include <cstdlib>

#include "launch_parts.h"

namespace shardopt::distributed {
namespace {

Setting<int> flag_or(const std::optional<int>& flag, const std::string& flag_name,
                     const std::string& name, const Environment& environment) {
  return flag ? Setting<int>{flag_name, flag} : read_number(name, environment);
}

// Without local ones: those of the environment belong to another rank or size.
RankSettings ranks_by_flags(const LaunchFlags& flags, const Environment& environment) {
  return {flag_or(flags.rank, "--rank", "RANK", environment),
          flag_or(flags.size, "--size", "WORLD_SIZE", environment),
          {"LOCAL_RANK"},
          {"LOCAL_WORLD_SIZE"}};
}

Launch read_plain(const std::string& launcher, const RankSettings& ranks,
                  const LaunchFlags& flags, const Environment& environment) {
  Launch launch = make_launch(launcher, ranks);
  set_address(read_address(flags, environment), ranks.size, launch);
  return launch;
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

void check_same(const Setting<int>& plain, const Setting<int>& launcher) {
  if (!plain.value || *plain.value == *launcher.value) return;
  SHARDOPT_THROW(ConfigError, plain.text(), " but ", launcher.text(),
                 "; allowed: the same value");
}

// Where both were said, by RANK and the others and by the launcher that started us.
void check_same_ranks(const RankSettings& plain, const RankSettings& launcher) {
  if (!plain.size.value) return;
  check_same(plain.rank, launcher.rank);
  check_same(plain.size, launcher.size);
  check_same(plain.local_rank, launcher.local_rank);
  check_same(plain.local_size, launcher.local_size);
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

Launch read_launch(const LaunchFlags& flags, const Environment& environment) {
  if (flags.rank || flags.size) {
    return read_plain("flags", ranks_by_flags(flags, environment), flags, environment);
  }
  const RankSettings plain = read_plain_ranks(environment);
  check_both_or_neither(plain.rank, plain.size);
  if (environment("TORCHELASTIC_RUN_ID")) {
    return read_torchrun(plain, flags, environment);
  }
  if (const auto mpirun = find_mpirun_ranks(environment)) {
    check_same_ranks(plain, *mpirun);
    return read_mpirun(*mpirun, flags, environment);
  }
  // Of a step of one task, each process may be a rank that a script has numbered.
  const auto srun = find_srun_ranks(environment);
  if (srun && (*srun->size.value > 1 || !plain.size.value)) {
    check_same_ranks(plain, *srun);
    return read_srun(*srun, flags, environment);
  }
  if (plain.size.value) return read_plain("environment", plain, flags, environment);
  check_no_address(flags);
  Launch launch;
  launch.launcher = "none";
  return launch;
}

}  // namespace shardopt::distributed
