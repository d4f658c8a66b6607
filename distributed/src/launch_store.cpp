#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "connect_deadline.h"
#include "one_line.h"
#include "shardopt/core/error.h"
#include "shardopt/distributed/launch.h"

namespace shardopt::distributed {
namespace {

using StorePtr = c10::intrusive_ptr<::c10d::Store>;

// While it lives, LibTorch logs nothing but its own bugs: it would print a backtrace
// for each attempt to connect, beside the error that says it all.
class QuietLog {
 public:
  QuietLog() : level_(FLAGS_caffe2_log_level) {
    FLAGS_caffe2_log_level = c10::GLOG_FATAL;
  }
  ~QuietLog() { FLAGS_caffe2_log_level = level_; }
  QuietLog(const QuietLog&) = delete;
  QuietLog& operator=(const QuietLog&) = delete;

 private:
  int level_;
};

StorePtr connect(const Launch& launch, bool is_host,
                 std::chrono::milliseconds timeout) {
  const QuietLog quiet;
  const ConnectDeadline deadline(launch.master_port, timeout);
  ::c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(launch.master_port);
  options.isServer = is_host;
  options.numWorkers = launch.size;
  options.timeout = timeout;
  options.multiTenant = is_host;
  return c10::make_intrusive<::c10d::TCPStore>(launch.master_address, options);
}

}  // namespace

StorePtr make_store(const Launch& launch, std::chrono::milliseconds timeout) {
  TORCH_CHECK(launch.size > 1, "a group of ", launch.size, " needs no store");
  const bool is_host = launch.rank == 0 && !launch.agent_store;
  try {
    const std::string prefix = c10::str("/worker/attempt_", launch.restart_count);
    return c10::make_intrusive<::c10d::PrefixStore>(prefix,
                                                    connect(launch, is_host, timeout));
  } catch (const std::exception& error) {
    const std::string cause = one_line(error);
    if (is_host && cause.find("EADDRINUSE") != std::string::npos) {
      SHARDOPT_THROW(ConfigError, "MASTER_PORT is ", launch.master_port,
                     ", which is taken on this machine; allowed: a free port");
    }
    SHARDOPT_THROW(CommError, "rank ", launch.rank, " of ", launch.size,
                   " did not meet", " the others at ", launch.master_address, ":",
                   launch.master_port, " within ", timeout.count(), " ms: ", cause);
  }
}

}  // namespace shardopt::distributed
