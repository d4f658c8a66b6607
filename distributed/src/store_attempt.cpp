#include "store_attempt.h"

#include <unistd.h>

#include <algorithm>
#include <random>
#include <sstream>
#include <thread>
#include <vector>

#include <c10/util/Exception.h>

namespace shardopt::distributed {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kPause{10};  // between two looks at who asks

std::string hello_key(int rank) { return c10::str("hello/", rank); }
std::string welcome_key(const std::string& id) { return "welcome/" + id; }
std::string arrival_key(const StoreAttempt& attempt, int rank) {
  return c10::str(attempt.prefix, "arrived/", rank);
}
std::string prefix_of(int64_t number) { return c10::str("/attempt/", number, "/"); }

// One that no process of an earlier attempt has used.
std::string make_id() {
  std::random_device random;
  return c10::str(getpid(), "-", random(), "-", random());
}

// Answers whoever asks until all have arrived: what was left of an earlier attempt gets
// an answer too, which nobody reads.
class Host {
 public:
  Host(::c10d::Store& store, const Launch& launch)
      : store_(store), answered_(launch.size) {
    const int64_t number = store.add("attempts", 1);
    attempt_ = {prefix_of(number),
                std::max(launch.restart_count, static_cast<int>(number) - 1)};
    number_ = std::to_string(number);
    for (int rank = 1; rank < launch.size; ++rank) absent_.push_back(rank);
  }

  StoreAttempt wait(milliseconds timeout) {
    const Clock::time_point end = Clock::now() + timeout;
    while (true) {
      std::erase_if(absent_, [this](int rank) { return has_arrived(rank); });
      if (absent_.empty()) return attempt_;
      TORCH_CHECK(Clock::now() < end, "rank ", c10::Join(", ", absent_),
                  " did not come");
      std::this_thread::sleep_for(kPause);
    }
  }

 private:
  bool has_arrived(int rank) {
    if (store_.check({arrival_key(attempt_, rank)})) return true;
    if (!store_.check({hello_key(rank)})) return false;
    const std::string hello = store_.get_to_str(hello_key(rank));
    if (hello == answered_[rank]) return false;
    answered_[rank] = hello;
    std::istringstream words(hello);
    std::string id;
    int restarts = 0;
    words >> id >> restarts;
    attempt_.restarts = std::max(attempt_.restarts, restarts);
    store_.set(welcome_key(id), number_);
    return false;
  }

  ::c10d::Store& store_;
  StoreAttempt attempt_;
  std::string number_;
  std::vector<int> absent_;
  std::vector<std::string> answered_;  // by rank: its last question
};

StoreAttempt ask(::c10d::Store& store, const Launch& launch, milliseconds timeout) {
  const std::string id = make_id();
  store.set(hello_key(launch.rank), c10::str(id, " ", launch.restart_count));
  store.wait({welcome_key(id)}, timeout);
  const StoreAttempt attempt{prefix_of(std::stoll(store.get_to_str(welcome_key(id)))),
                             launch.restart_count};
  store.set(arrival_key(attempt, launch.rank), "");
  return attempt;
}

}  // namespace

StoreAttempt join_attempt(::c10d::Store& store, const Launch& launch,
                          milliseconds timeout) {
  if (launch.rank == 0) return Host(store, launch).wait(timeout);
  return ask(store, launch, timeout);
}

}  // namespace shardopt::distributed
