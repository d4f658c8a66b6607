/// An end to waiting for a server that accepts a connection and never answers.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace shardopt::distributed {

/// Shuts down this process's TCP connections to `port`: whoever reads from one fails.
void shut_down_connections_to(int port);

/// How much longer than its own timeout a call of the store may take: those that end by
/// themselves say more than one whose connection was shut down.
inline constexpr std::chrono::milliseconds kStoreGrace{500};

/// While it lives, and once `timeout` has passed, this process's TCP connections to
/// `port` are shut down as they come, so that whoever reads from one fails. TCPStore's
/// own timeout does not cover its first read.
class ConnectDeadline {
 public:
  ConnectDeadline(int port, std::chrono::milliseconds timeout);
  ~ConnectDeadline();
  ConnectDeadline(const ConnectDeadline&) = delete;
  ConnectDeadline& operator=(const ConnectDeadline&) = delete;

 private:
  void watch(int port, std::chrono::milliseconds timeout);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;  // by mutex_
  std::thread thread_;
};

}  // namespace shardopt::distributed
