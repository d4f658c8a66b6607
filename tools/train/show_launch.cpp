#include "train/show_launch.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <string_view>

#include <c10/util/Exception.h>

namespace shardopt::train {
namespace {

using distributed::Launch;
using distributed::MeetingKind;

std::string store_text(const Launch& launch) {
  switch (launch.meeting) {
    case MeetingKind::kNone:
      return "none";
    case MeetingKind::kMpi:
      return "TCP, at an address that rank 0 tells by MPI";
    case MeetingKind::kAddress:
      return c10::str("TCP ", launch.master_address, ":", launch.master_port,
                      ", hosted by ",
                      launch.agent_store ? "torchrun's agent" : "rank 0");
  }
  TORCH_INTERNAL_ASSERT(false, "meeting ", static_cast<int>(launch.meeting));
}

void write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    TORCH_CHECK(written >= 0, "standard output: ", std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::string launch_text(const Launch& launch, const std::string& backend,
                        const std::string& device, int threads) {
  std::ostringstream text;
  text << "launcher: " << launch.launcher << '\n'
       << "rank: " << launch.rank << '\n'
       << "size: " << launch.size << '\n'
       << "local rank: " << launch.local_rank << '\n'
       << "local size: " << launch.local_size << '\n'
       << "store: " << store_text(launch) << '\n'
       << "restart: " << launch.restart_count << '\n'
       << "backend: " << backend << '\n'
       << "device: " << device << '\n'
       << "threads: " << threads << '\n';
  return text.str();
}

void show_launch(const Launch& launch, const std::string& backend,
                 const std::string& device, int threads) {
  write_all(launch_text(launch, backend, device, threads) +
            (launch.size > 1 ? "\n" : ""));
}

}  // namespace shardopt::train
