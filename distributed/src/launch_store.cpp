#include "launch_store.h"

#include <netdb.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "broken_pipe.h"
#include "connect_deadline.h"
#include "mpi_job.h"
#include "one_line.h"
#include "own_address.h"
#include "quiet_log.h"
#include "shardopt/core/error.h"
#include "store_attempt.h"

namespace shardopt::distributed {
namespace {

using StorePtr = c10::intrusive_ptr<::c10d::Store>;
using TcpStorePtr = c10::intrusive_ptr<::c10d::TCPStore>;
using std::chrono::milliseconds;

enum class StoreRole : uint8_t { kHost, kMember, kVisitor };

// A visitor is not counted among those that the host waits for; port 0 is any free one,
// and its host waits for nobody.
TcpStorePtr open_store(const Launch& launch, StoreRole role, milliseconds timeout) {
  const QuietLog quiet;
  const ConnectDeadline deadline(launch.master_port, timeout);
  ::c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(launch.master_port);
  options.isServer = role == StoreRole::kHost;
  options.numWorkers = launch.size;
  options.waitWorkers = role != StoreRole::kVisitor && launch.master_port != 0;
  options.timeout = timeout;
  options.multiTenant = role == StoreRole::kHost;
  return c10::make_intrusive<::c10d::TCPStore>(launch.master_address, options);
}

[[noreturn]] void fail_to_meet(const Launch& launch, milliseconds timeout,
                               const std::exception& error) {
  SHARDOPT_THROW(CommError, "rank ", launch.rank, " of ", launch.size,
                 " did not meet the others at ", launch.master_address, ":",
                 launch.master_port, " within ", timeout.count(),
                 " ms: ", one_line(error));
}

// At once: LibTorch would go on trying until the timeout, and beyond.
void check_address(const std::string& address) {
  addrinfo* found = nullptr;
  const int status = getaddrinfo(address.c_str(), nullptr, nullptr, &found);
  if (found != nullptr) freeaddrinfo(found);
  if (status == 0) return;
  SHARDOPT_THROW(ConfigError, "MASTER_ADDR is '", address,
                 "', which does not resolve (", gai_strerror(status),
                 "); allowed: the host of rank 0");
}

TcpStorePtr open_or_fail(const Launch& launch, StoreRole role, milliseconds timeout) {
  ignore_broken_pipes();
  check_address(launch.master_address);
  try {
    return open_store(launch, role, timeout);
  } catch (const std::exception& error) {
    const bool is_taken = one_line(error).find("EADDRINUSE") != std::string::npos;
    if (role == StoreRole::kHost && is_taken) {
      SHARDOPT_THROW(ConfigError, "MASTER_PORT is ", launch.master_port,
                     ", which is taken on this machine; allowed: a free port");
    }
    fail_to_meet(launch, timeout, error);
  }
}

// Calls of the store have no end of their own.
StoreHandle join(TcpStorePtr store, Launch& launch, milliseconds timeout) {
  const QuietLog quiet;
  const ConnectDeadline deadline(launch.master_port, timeout + kStoreGrace);
  try {
    const StoreAttempt attempt = join_attempt(*store, launch, timeout);
    launch.restart_count = attempt.restarts;
    return {c10::make_intrusive<::c10d::PrefixStore>(attempt.prefix, std::move(store)),
            attempt.prefix};
  } catch (const std::exception& error) {
    fail_to_meet(launch, timeout, error);
  }
}

}  // namespace

void check_mpi_ranks(const Launch& launch, const std::string& reason,
                     milliseconds timeout) {
  const MpiJob job = join_mpi(timeout);
  if (job.rank == launch.rank && job.size == launch.size) return;
  SHARDOPT_THROW(ConfigError, reason, ", but MPI says rank ", job.rank, " of ",
                 job.size, " where launcher '", launch.launcher, "' says rank ",
                 launch.rank, " of ", launch.size,
                 "; allowed: ranks that the mpirun of this build's MPI has started");
}

StorePtr make_store(const Launch& launch, milliseconds timeout) {
  Launch copy = launch;
  return meet_at_address(copy, timeout).store;
}

StoreHandle meet_at_address(Launch& launch, milliseconds timeout) {
  TORCH_CHECK(launch.meeting == MeetingKind::kAddress, "a launch of ", launch.size,
              " rank(s) by ", launch.launcher, " has no address to meet at");
  const bool is_host = launch.rank == 0 && !launch.agent_store;
  const auto role = is_host ? StoreRole::kHost : StoreRole::kMember;
  return join(open_or_fail(launch, role, timeout), launch, timeout);
}

StoreHandle meet_through_mpi(Launch& launch, milliseconds timeout) {
  check_mpi_ranks(launch, "ranks meet through MPI", timeout);
  TcpStorePtr store;
  launch.meeting = MeetingKind::kAddress;
  if (launch.rank == 0) {
    const bool is_one_machine = launch.local_size == launch.size;
    launch.master_address = is_one_machine ? "127.0.0.1" : own_address();
    store = open_or_fail(launch, StoreRole::kHost, timeout);
    launch.master_port = store->getPort();
  }
  std::istringstream place(broadcast_text(
      c10::str(launch.master_address, " ", launch.master_port), timeout));
  place >> launch.master_address >> launch.master_port;
  if (launch.rank != 0) store = open_or_fail(launch, StoreRole::kMember, timeout);
  return join(std::move(store), launch, timeout);
}

StorePtr connect_again(const Launch& launch, const StoreHandle& handle,
                       milliseconds timeout) {
  return c10::make_intrusive<::c10d::PrefixStore>(
      handle.prefix, open_or_fail(launch, StoreRole::kVisitor, timeout));
}

}  // namespace shardopt::distributed
