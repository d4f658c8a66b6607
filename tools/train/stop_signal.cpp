#include "train/stop_signal.h"

#include <signal.h>

#include <atomic>
#include <chrono>
#include <initializer_list>

#include "shardopt/distributed/wait_limit.h"

namespace shardopt::train {
namespace {

// A handler can reach nothing else.
volatile sig_atomic_t received_signal = 0;
std::atomic<distributed::WaitLimit*> wait_limit{nullptr};
static_assert(std::atomic<distributed::WaitLimit*>::is_always_lock_free);

constexpr std::chrono::seconds kWaitAfterSigterm{5};

void note(int signal) {
  received_signal = signal;
  distributed::WaitLimit* const limit = wait_limit;
  if (signal == SIGTERM && limit != nullptr) limit->shorten(kWaitAfterSigterm);
}

void handle(int signal, void (*handler)(int), int flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(signal, &action, nullptr);
}

}  // namespace

StopSignal::StopSignal(distributed::WaitLimit& limit) {
  received_signal = 0;
  wait_limit = &limit;
  for (const int signal : {SIGTERM, SIGINT}) {
    handle(signal, note, static_cast<int>(SA_RESETHAND | SA_RESTART));
  }
}

StopSignal::~StopSignal() {
  for (const int signal : {SIGTERM, SIGINT}) handle(signal, SIG_DFL, 0);
  wait_limit = nullptr;
}

int StopSignal::received() noexcept { return received_signal; }

}  // namespace shardopt::train
