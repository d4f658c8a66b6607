#include "launch_parts.h"

namespace shardopt::distributed {
namespace {

constexpr int kMaxPort = 65535;

std::string because(const Setting<int>& reason) {
  return c10::str(" (", reason.text(), ")");
}

// Both or neither, size >= 1, 0 <= rank < size.
void check_pair(const Setting<int>& rank, const Setting<int>& size) {
  check_both_or_neither(rank, size);
  if (!size.value) return;
  if (*size.value < 1) SHARDOPT_THROW(ConfigError, size.text(), "; allowed: >= 1");
  check_range(rank, 0, *size.value - 1, because(size));
}

}  // namespace

RankSettings read_plain_ranks(const Environment& environment) {
  return {read_number("RANK", environment), read_number("WORLD_SIZE", environment),
          read_number("LOCAL_RANK", environment),
          read_number("LOCAL_WORLD_SIZE", environment)};
}

AddressSettings read_address(const LaunchFlags& flags, const Environment& environment) {
  AddressSettings address;
  address.host = flags.master_address
                     ? Setting<std::string>{"--master-address", flags.master_address}
                     : Setting<std::string>{"MASTER_ADDR", environment("MASTER_ADDR")};
  address.port = flags.master_port ? Setting<int>{"--master-port", flags.master_port}
                                   : read_number("MASTER_PORT", environment);
  if (address.port.value) check_range(address.port, 1, kMaxPort, "");
  return address;
}

Launch make_launch(const std::string& launcher, const RankSettings& ranks) {
  check_pair(ranks.rank, ranks.size);
  check_pair(ranks.local_rank, ranks.local_size);
  Launch launch;
  launch.launcher = launcher;
  launch.rank = ranks.rank.value.value();
  launch.size = ranks.size.value.value();
  launch.local_rank = ranks.local_rank.value.value_or(launch.rank);
  launch.local_size = ranks.local_size.value.value_or(launch.size);
  if (ranks.local_size.value) {
    check_range(ranks.local_size, 1, launch.size, because(ranks.size));
  }
  return launch;
}

void set_address(const AddressSettings& address, const Setting<int>& size,
                 Launch& launch) {
  if (launch.size == 1) return;
  if (address.host.value.value_or("").empty()) {
    SHARDOPT_THROW(ConfigError, address.host.text(), "; allowed: the host of rank 0",
                   because(size));
  }
  check_given(address.port, c10::str("1 to ", kMaxPort, because(size)));
  launch.meeting = MeetingKind::kAddress;
  launch.master_address = *address.host.value;
  launch.master_port = *address.port.value;
}

int read_restart_count(const std::string& name, const Environment& environment) {
  const Setting<int> count = read_number(name, environment);
  if (count.value.value_or(0) < 0) {
    SHARDOPT_THROW(ConfigError, count.text(), "; allowed: >= 0");
  }
  return count.value.value_or(0);
}

}  // namespace shardopt::distributed
