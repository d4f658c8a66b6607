#include "mpi_progress.h"

#include <time.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include <c10/util/Exception.h>

#include "shardopt/core/error.h"

namespace shardopt::distributed {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using Clock = std::chrono::steady_clock;

// A test that finds nothing costs 0.3 to 2 us of CPU time, also over TCP and just after
// a pause; one that moves a single fragment of shared memory costs 9.
constexpr microseconds kMoving{5};
// How long nothing may move until tests pause.
constexpr microseconds kPatience{100};
// A pause is this share of the time since something moved, so that is what it can add
// to a wait; within bounds.
constexpr int kPauseShare = 8;
constexpr microseconds kShortestPause{20};
constexpr microseconds kLongestPause{1000};
// After that a task hangs.
constexpr milliseconds kTaskGrace{500};

nanoseconds thread_cpu_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

}  // namespace

bool MpiCall::wait_for(milliseconds limit) {
  std::unique_lock lock(mutex_);
  settled_.wait_for(lock, limit, [this] { return is_over_ || !failure_.empty(); });
  TORCH_CHECK(failure_.empty(), failure_);
  return is_over_;
}

bool MpiCall::is_over() {
  const std::lock_guard lock(mutex_);
  return is_over_;
}

void MpiCall::when_over(std::function<void()> action) {
  {
    const std::lock_guard lock(mutex_);
    if (!is_over_ && failure_.empty()) {
      actions_.push_back(std::move(action));
      return;
    }
  }
  action();
}

bool MpiCall::advance() {
  if (requests_->test()) return true;
  if (!requests_->failure().empty()) settle(false);
  return false;
}

void MpiCall::finish() {
  memory_.reset();
  settle(true);
}

void MpiCall::settle(bool is_over) {
  std::vector<std::function<void()>> actions;
  {
    const std::lock_guard lock(mutex_);
    is_over_ = is_over;
    failure_ = requests_->failure();
    actions.swap(actions_);
  }
  settled_.notify_all();
  for (const auto& action : actions) action();
}

// What the thread does, and what is handed to it.
class MpiProgress::Loop {
 public:
  void add(std::shared_ptr<MpiCall> call) {
    const std::lock_guard lock(mutex_);
    ++under_way_;
    arrivals_.push_back(std::move(call));
    changed_.notify_one();
  }

  void add(std::packaged_task<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_one();
  }

  bool is_idle() {
    const std::lock_guard lock(mutex_);
    return under_way_ == 0;
  }

  // Returns whether the thread is about to end, for it does not hang in a task.
  bool stop() {
    std::unique_lock lock(mutex_);
    is_stopping_ = true;
    changed_.notify_one();
    return task_over_.wait_for(lock, kTaskGrace, [this] { return !is_in_task_; });
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (!is_stopping_) {
      if (!tasks_.empty()) {
        run_tasks(lock);
      } else if (take_arrivals() || !calls_.empty()) {
        const bool has_moved = advance_calls(lock);
        if (has_moved) moved_at_ = Clock::now();
        pause(lock);
      } else {
        changed_.wait(lock, [this] { return has_news(); });
      }
    }
  }

 private:
  [[nodiscard]] bool has_news() const {
    return is_stopping_ || !tasks_.empty() || !arrivals_.empty();
  }

  void run_tasks(std::unique_lock<std::mutex>& lock) {
    std::vector<std::packaged_task<void()>> tasks = std::exchange(tasks_, {});
    is_in_task_ = true;
    lock.unlock();
    for (auto& task : tasks) task();
    lock.lock();
    is_in_task_ = false;
    task_over_.notify_one();
  }

  bool take_arrivals() {
    if (arrivals_.empty()) return false;
    std::ranges::move(arrivals_, std::back_inserter(calls_));
    arrivals_.clear();
    moved_at_ = Clock::now();
    return true;
  }

  // Returns whether messages have moved, as far as can be told. A call is no longer
  // under way when others learn that it is over.
  bool advance_calls(std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    const nanoseconds start = thread_cpu_time();
    // Not that of std::ranges, whose result clang 14 cannot compile.
    const auto finished =
        std::partition(calls_.begin(), calls_.end(),
                       [](const auto& call) { return !call->advance(); });
    const bool has_moved =
        finished != calls_.end() || thread_cpu_time() - start > kMoving;
    lock.lock();
    under_way_ -= static_cast<std::size_t>(calls_.end() - finished);
    lock.unlock();
    std::for_each(finished, calls_.end(), [](const auto& call) { call->finish(); });
    calls_.erase(finished, calls_.end());
    lock.lock();
    return has_moved;
  }

  void pause(std::unique_lock<std::mutex>& lock) {
    const auto since =
        std::chrono::duration_cast<microseconds>(Clock::now() - moved_at_);
    if (since < kPatience) {
      lock.unlock();
      std::this_thread::yield();
      lock.lock();
    } else {
      changed_.wait_for(lock,
                        std::clamp(since / kPauseShare, kShortestPause, kLongestPause),
                        [this] { return has_news(); });
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;                 // for the thread
  std::condition_variable task_over_;               // for whoever stops it
  std::vector<std::shared_ptr<MpiCall>> arrivals_;  // by mutex_
  std::vector<std::packaged_task<void()>> tasks_;   // by mutex_
  std::size_t under_way_ = 0;                       // by mutex_
  bool is_stopping_ = false;                        // by mutex_
  bool is_in_task_ = false;                         // by mutex_
  std::vector<std::shared_ptr<MpiCall>> calls_;     // by the thread
  Clock::time_point moved_at_{};                    // by the thread
};

MpiProgress::MpiProgress()
    : loop_(std::make_shared<Loop>()), thread_([loop = loop_] { loop->run(); }) {}

MpiProgress::~MpiProgress() {
  if (loop_->stop()) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

std::shared_ptr<MpiCall> MpiProgress::advance(std::unique_ptr<MpiRequests> requests,
                                              std::shared_ptr<const void> memory) {
  auto call = std::make_shared<MpiCall>(std::move(requests), std::move(memory));
  loop_->add(call);
  return call;
}

std::future<void> MpiProgress::run(std::function<void()> task) {
  std::packaged_task<void()> packaged(std::move(task));
  std::future<void> done = packaged.get_future();
  loop_->add(std::move(packaged));
  return done;
}

bool MpiProgress::is_idle() { return loop_->is_idle(); }

}  // namespace shardopt::distributed
