#include "connect_deadline.h"

#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <memory>

namespace shardopt::distributed {
namespace {

constexpr std::chrono::milliseconds kAgain{100};  // a client may connect once more

// The port that a socket is connected to; -1 if it is no connected TCP socket.
int peer_port(int descriptor) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (getpeername(descriptor, generic, &length) != 0) return -1;
  if (address.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
  }
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<sockaddr_in6*>(&address)->sin6_port);
  }
  return -1;
}

}  // namespace

void shut_down_connections_to(int port) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
  if (folder == nullptr) return;
  while (const dirent* entry = readdir(folder.get())) {
    const int descriptor = std::atoi(entry->d_name);
    if (peer_port(descriptor) == port) shutdown(descriptor, SHUT_RDWR);
  }
}

ConnectDeadline::ConnectDeadline(int port, std::chrono::milliseconds timeout)
    : thread_([this, port, timeout] { watch(port, timeout); }) {}

ConnectDeadline::~ConnectDeadline() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void ConnectDeadline::watch(int port, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  const auto is_over = [this] { return is_over_; };
  if (changed_.wait_for(lock, timeout, is_over)) return;
  do {
    shut_down_connections_to(port);
  } while (!changed_.wait_for(lock, kAgain, is_over));
}

}  // namespace shardopt::distributed
