#include "launch_parts.h"

namespace shardopt::distributed {

std::optional<RankSettings> find_mpirun_ranks(const Environment& environment) {
  RankSettings ranks{read_number("OMPI_COMM_WORLD_RANK", environment),
                     read_number("OMPI_COMM_WORLD_SIZE", environment),
                     read_number("OMPI_COMM_WORLD_LOCAL_RANK", environment),
                     read_number("OMPI_COMM_WORLD_LOCAL_SIZE", environment)};
  check_both_or_neither(ranks.rank, ranks.size);
  if (!ranks.size.value) return std::nullopt;
  check_both_or_neither(ranks.rank, ranks.local_rank);
  check_both_or_neither(ranks.size, ranks.local_size);
  return ranks;
}

Launch read_mpirun(const RankSettings& ranks, const LaunchFlags& flags,
                   const Environment& environment) {
  Launch launch = make_launch("mpirun", ranks);
  const AddressSettings address = read_address(flags, environment);
  if (launch.size == 1) return launch;
  check_both_or_neither(address.host, address.port);
  launch.meeting = MeetingKind::kMpi;
  if (address.host.value) set_address(address, ranks.size, launch);
  return launch;
}

}  // namespace shardopt::distributed
