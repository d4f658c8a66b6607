/// Who we are in a job, as its launcher said.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <c10/util/intrusive_ptr.h>

namespace c10d {
class Store;
}

namespace shardopt::distributed {

/// Explicit settings; each wins over the environment.
struct LaunchFlags {
  std::optional<int> rank{};
  std::optional<int> size{};
  std::optional<std::string> master_address{};
  std::optional<int> master_port{};
};

/// How the ranks of a job find each other.
enum class MeetingKind : uint8_t {
  kNone,     ///< There is one rank.
  kAddress,  ///< Over TCP, at an address that all of them know.
  kMpi       ///< MPI, which started them, tells them an address.
};

struct Launch {
  /// "torchrun", "mpirun", "srun", "flags", "environment" or "none".
  std::string launcher;
  int rank = 0;
  int size = 1;
  int local_rank = 0;  ///< On this machine; 0 for all with --virtual-local-rank.
  int local_size = 1;
  MeetingKind meeting = MeetingKind::kNone;
  std::string master_address;  ///< With kAddress; otherwise empty.
  int master_port = 0;
  /// torchrun's agent hosts the store: every rank is a client of it.
  bool agent_store = false;
  int restart_count = 0;  ///< Of the job, by torchrun or Slurm.
};

/// Reads an environment variable; nullopt if unset.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

/// That of this process.
[[nodiscard]] Environment process_environment();

/// Who we are, by the first of these that says so:
/// 1. flags `rank` and `size`, one of which RANK or WORLD_SIZE may say instead;
/// 2. torchrun. Other launchers' variables are its agent's, and are not looked at;
/// 3. mpirun: its ranks meet by MPI, or where MASTER_ADDR and MASTER_PORT say;
/// 4. srun: its ranks meet where MASTER_ADDR and MASTER_PORT say. Instead of the first,
///    the step's first node (127.0.0.1 if it is the only one) is taken; instead of the
///    second, 20000 + (101 SLURM_JOB_ID + SLURM_STEP_ID) mod 10000;
/// 5. RANK and WORLD_SIZE, MASTER_ADDR and MASTER_PORT: started by hand;
/// 6. nothing: one rank. So is a batch script that does not call srun.
/// RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE may be set beside mpirun's or
/// srun's, but must agree; in a step of one task RANK and WORLD_SIZE win.
///
/// Throws ConfigError, naming the variables or flags and their values, if one is
/// missing beside another, is no number, or contradicts another.
[[nodiscard]] Launch read_launch(const LaunchFlags& flags,
                                 const Environment& environment);

/// The store through which the ranks of `launch`, whose meeting is kAddress, meet. Rank
/// 0 hosts it, unless torchrun's agent does. Keys lie below a prefix that the ranks of
/// this attempt agree on. Throws ConfigError if the port is taken (naming it) or the
/// address does not resolve, CommError after `timeout`. Collective.
[[nodiscard]] c10::intrusive_ptr<::c10d::Store> make_store(
    const Launch& launch, std::chrono::milliseconds timeout);

}  // namespace shardopt::distributed
