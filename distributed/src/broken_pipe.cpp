#include "broken_pipe.h"

#include <signal.h>

#include <csignal>

namespace shardopt::distributed {

void ignore_broken_pipes() {
  struct sigaction now {};
  sigaction(SIGPIPE, nullptr, &now);
  if (now.sa_handler == SIG_DFL) std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace shardopt::distributed
