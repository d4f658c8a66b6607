#include "train/stop_signal.h"

#include <signal.h>

#include <initializer_list>

namespace shardopt::train {
namespace {

// A handler can reach nothing else.
volatile sig_atomic_t received_signal = 0;

void note(int signal) { received_signal = signal; }

void handle(int signal, void (*handler)(int), int flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(signal, &action, nullptr);
}

}  // namespace

StopSignal::StopSignal() {
  received_signal = 0;
  for (const int signal : {SIGTERM, SIGINT}) {
    handle(signal, note, static_cast<int>(SA_RESETHAND | SA_RESTART));
  }
}

StopSignal::~StopSignal() {
  for (const int signal : {SIGTERM, SIGINT}) handle(signal, SIG_DFL, 0);
}

int StopSignal::received() noexcept { return received_signal; }

}  // namespace shardopt::train
