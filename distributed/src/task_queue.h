/// Tasks in order, on a thread of their own.
#pragma once

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

namespace shardopt::distributed {

/// Runs tasks one after the other. The thread starts with the first.
///
/// Thread safety: one thread hands tasks in.
class TaskQueue {
 public:
  TaskQueue() = default;
  TaskQueue(const TaskQueue&) = delete;
  TaskQueue& operator=(const TaskQueue&) = delete;
  /// Closes, and waits for the task at work.
  ~TaskQueue();

  /// Whether every task is over; stays so until the next is handed in.
  [[nodiscard]] bool is_idle();

  void push(std::packaged_task<void()> task);

  /// No further task begins; the futures of those that have not throw once this is
  /// destroyed.
  void close();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::packaged_task<void()>> tasks_;  // by mutex_; the front is at work
  bool is_closing_ = false;                       // by mutex_
  std::thread thread_;
};

}  // namespace shardopt::distributed
