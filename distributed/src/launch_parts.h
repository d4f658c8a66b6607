/// What the readers of each launcher's variables share.
#pragma once

#include <optional>
#include <string>

#include "setting.h"
#include "shardopt/distributed/launch.h"

namespace shardopt::distributed {

/// Who we are, with the names under which it was said.
struct RankSettings {
  Setting<int> rank;
  Setting<int> size;
  Setting<int> local_rank;
  Setting<int> local_size;
};

/// Where the ranks meet.
struct AddressSettings {
  Setting<std::string> host;
  Setting<int> port;
};

/// RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE.
[[nodiscard]] RankSettings read_plain_ranks(const Environment& environment);

/// What mpirun or srun calls the same; nullopt if it did not start this process. A
/// batch script is not started by srun, though Slurm gives it a rank.
[[nodiscard]] std::optional<RankSettings> find_mpirun_ranks(
    const Environment& environment);
[[nodiscard]] std::optional<RankSettings> find_srun_ranks(
    const Environment& environment);

/// The flags, or else MASTER_ADDR and MASTER_PORT. A port that is given is checked.
[[nodiscard]] AddressSettings read_address(const LaunchFlags& flags,
                                           const Environment& environment);

/// The launch of processes that this launcher started, `ranks` being its own.
[[nodiscard]] Launch read_torchrun(const RankSettings& ranks, const LaunchFlags& flags,
                                   const Environment& environment);
[[nodiscard]] Launch read_mpirun(const RankSettings& ranks, const LaunchFlags& flags,
                                 const Environment& environment);
[[nodiscard]] Launch read_srun(const RankSettings& ranks, const LaunchFlags& flags,
                               const Environment& environment);

/// A launch of `ranks` whose meeting is not set. Throws ConfigError if they are
/// inconsistent. Without a word about local ones, all ranks are on one machine.
[[nodiscard]] Launch make_launch(const std::string& launcher,
                                 const RankSettings& ranks);

/// Lets several ranks meet at `address`; ConfigError if it is incomplete. `size` is
/// named as the reason.
void set_address(const AddressSettings& address, const Setting<int>& size,
                 Launch& launch);

/// How often the job was started again, says variable `name`; 0 if it is unset.
[[nodiscard]] int read_restart_count(const std::string& name,
                                     const Environment& environment);

}  // namespace shardopt::distributed
