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
  std::string launcher;  ///< "torchrun", "mpirun", "srun", "flags", "environment", "none".
  int rank = 0;
  int size = 1;
  int local_rank = 0;  ///< Among the ranks of this machine; 0 under --virtual-local-rank.
  int local_size = 1;
  MeetingKind meeting = MeetingKind::kNone;
  std::string master_address;  ///< With kAddress; otherwise empty.
  int master_port = 0;
  /// torchrun's agent hosts the store: every rank is a client of it.
  bool agent_store = false;
  int restart_count = 0;
  std::string error_file;  ///< Where torchrun wants to read why we failed, or "".
};

/// Reads an environment variable; nullopt if unset.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

/// That of this process.
[[nodiscard]] Environment process_environment();

/// Throws ConfigError, naming the variables or flags and their values, if one is
/// missing beside another, is no number, or contradicts another, and for a launcher of
/// several ranks that is not understood (mpirun, srun) without RANK and WORLD_SIZE.
[[nodiscard]] Launch read_launch(const LaunchFlags& flags,
                                 const Environment& environment);

/// The store through which the ranks of `launch` meet (size > 1). Rank 0 hosts it,
/// unless torchrun's agent does. Keys lie below a prefix of the restart attempt.
/// Throws ConfigError if the port is taken (naming it), CommError after `timeout`.
[[nodiscard]] c10::intrusive_ptr<::c10d::Store> make_store(
    const Launch& launch, std::chrono::milliseconds timeout);

}  // namespace shardopt::distributed
