#include "task_queue.h"

#include <utility>

namespace shardopt::distributed {

TaskQueue::~TaskQueue() {
  close();
  if (thread_.joinable()) thread_.join();
}

void TaskQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  changed_.notify_one();
}

bool TaskQueue::is_idle() {
  const std::lock_guard lock(mutex_);
  return tasks_.empty();
}

void TaskQueue::push(std::packaged_task<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void TaskQueue::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_closing_ || !tasks_.empty(); });
    if (is_closing_) return;
    std::packaged_task<void()>& task = tasks_.front();  // Others join behind it.
    lock.unlock();
    task();
    lock.lock();
    tasks_.pop_front();
  }
}

}  // namespace shardopt::distributed
