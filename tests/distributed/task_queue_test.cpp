#include "task_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace shardopt::distributed {
namespace {

TEST(TaskQueueTest, RunsTasksInOrder) {
  TaskQueue queue;
  std::vector<int> order;
  std::future<void> last;
  for (int i = 0; i < 100; ++i) {
    std::packaged_task<void()> task([&order, i] { order.push_back(i); });
    last = task.get_future();
    queue.push(std::move(task));
  }
  last.get();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(TaskQueueTest, IsIdleOnlyWhenAllIsDone) {
  TaskQueue queue;
  EXPECT_TRUE(queue.is_idle());
  std::promise<void> gate;
  std::packaged_task<void()> task([&gate] { gate.get_future().get(); });
  std::future<void> done = task.get_future();
  queue.push(std::move(task));

  EXPECT_FALSE(queue.is_idle());
  gate.set_value();
  done.get();
  while (!queue.is_idle()) std::this_thread::yield();
}

TEST(TaskQueueTest, FutureThrowsWhatTaskThrows) {
  TaskQueue queue;
  std::packaged_task<void()> task([] { throw std::runtime_error("no"); });
  std::future<void> done = task.get_future();
  queue.push(std::move(task));
  EXPECT_THROW(done.get(), std::runtime_error);
}

TEST(TaskQueueTest, TasksThatHaveNotBegunAreDroppedOnceClosed) {
  auto queue = std::make_unique<TaskQueue>();
  std::promise<void> has_begun;
  std::promise<void> gate;
  bool has_run = false;
  std::packaged_task<void()> first([&] {
    has_begun.set_value();
    gate.get_future().get();
  });
  std::packaged_task<void()> second([&] { has_run = true; });
  std::future<void> first_done = first.get_future();
  std::future<void> second_done = second.get_future();
  queue->push(std::move(first));
  queue->push(std::move(second));
  has_begun.get_future().get();

  queue->close();
  gate.set_value();
  queue.reset();

  EXPECT_NO_THROW(first_done.get());
  EXPECT_THROW(second_done.get(), std::future_error);
  EXPECT_FALSE(has_run);
}

}  // namespace
}  // namespace shardopt::distributed
