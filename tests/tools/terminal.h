/// A terminal of any width, whose screen a test can read.
#pragma once

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace shardopt::test {

/// A pseudo-terminal; TERM says what it is for as long as this lives.
class Terminal {
 public:
  explicit Terminal(unsigned short columns, const char* kind = "xterm") {
    if (openpty(&screen_, &descriptor_, nullptr, nullptr, nullptr) != 0) {
      throw std::runtime_error("openpty");
    }
    fcntl(screen_, F_SETFL, O_NONBLOCK);
    const char* before = std::getenv("TERM");
    kind_before_ = before == nullptr ? "" : before;
    setenv("TERM", kind, 1);
    resize(columns);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    setenv("TERM", kind_before_.c_str(), 1);
    close(descriptor_);
    close(screen_);
  }

  [[nodiscard]] int descriptor() const { return descriptor_; }

  void resize(unsigned short columns) const {
    const winsize size{24, columns, 0, 0};
    if (ioctl(descriptor_, TIOCSWINSZ, &size) != 0) throw std::runtime_error("winsize");
  }

  /// What was written since the last call; lines end in "\r\n", as terminals have it.
  [[nodiscard]] std::string written() const {
    std::string bytes;
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = read(screen_, buffer.data(), buffer.size())) > 0;) {
      bytes.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return bytes;
  }

 private:
  int screen_ = -1;
  int descriptor_ = -1;
  std::string kind_before_;
};

/// A log: the reading end of a pipe.
class Log {
 public:
  Log() {
    if (pipe2(ends_.data(), O_NONBLOCK) != 0) throw std::runtime_error("pipe2");
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  ~Log() {
    close(ends_[0]);
    close(ends_[1]);
  }

  [[nodiscard]] int descriptor() const { return ends_[1]; }
  [[nodiscard]] std::string written() const {
    std::array<char, 65536> buffer{};
    const ssize_t count = read(ends_[0], buffer.data(), buffer.size());
    return {buffer.data(), static_cast<std::size_t>(count < 0 ? 0 : count)};
  }

 private:
  std::array<int, 2> ends_{};
};

}  // namespace shardopt::test
