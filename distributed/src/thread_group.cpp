#include "thread_group.h"

#include <algorithm>
#include <utility>

#include "one_line.h"

namespace shardopt::distributed {
namespace {

std::string disagreement(const GroupCall& call) {
  const std::string& first = call.parts.front().signature;
  for (std::size_t rank = 1; rank < call.parts.size(); ++rank) {
    const std::string& other = call.parts[rank].signature;
    if (other == first) continue;
    return c10::str("rank 0 called ", first, " but rank ", rank, " called ", other);
  }
  return "";
}

std::string absence(const GroupCall& call, std::chrono::milliseconds timeout) {
  std::vector<std::size_t> absent;
  for (std::size_t rank = 0; rank < call.joined.size(); ++rank) {
    if (!call.joined[rank]) absent.push_back(rank);
  }
  return c10::str("rank ", c10::Join(", ", absent), " did not join within ",
                  timeout.count(), " ms");
}

}  // namespace

ThreadGroup::ThreadGroup(int size, std::chrono::milliseconds timeout)
    : size_(size), timeout_(timeout) {}

std::shared_ptr<GroupCall> ThreadGroup::join(int64_t sequence, int rank,
                                             Contribution part,
                                             const Execution& execute) {
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) {
    return std::make_shared<GroupCall>(GroupCall{.is_over = true, .failure = failure_});
  }
  std::shared_ptr<GroupCall>& slot = open_calls_[sequence];
  if (slot == nullptr) {
    slot = std::make_shared<GroupCall>();
    slot->parts.resize(size_);
    slot->joined.resize(size_);
  }
  const std::shared_ptr<GroupCall> call = slot;
  call->parts[rank] = std::move(part);
  call->joined[rank] = true;
  if (std::ranges::count(call->joined, true) == size_) {
    open_calls_.erase(sequence);
    execute_locked(*call, execute);
  }
  return call;
}

void ThreadGroup::execute_locked(GroupCall& call, const Execution& execute) {
  call.failure = disagreement(call);
  try {
    if (call.failure.empty()) execute(call.parts);
  } catch (const std::exception& error) {
    call.failure = one_line(error);
  }
  call.is_over = true;
  call.parts.clear();
  if (!call.failure.empty()) fail_locked(call.failure);
  call_over_.notify_all();
}

void ThreadGroup::fail_locked(const std::string& why) {
  failure_ = why;
  for (auto& [sequence, call] : open_calls_) {
    call->failure = why;
    call->is_over = true;
    call->parts.clear();
  }
  open_calls_.clear();
  call_over_.notify_all();
}

std::string ThreadGroup::wait(GroupCall& call) {
  std::unique_lock lock(mutex_);
  const bool is_over =
      call_over_.wait_for(lock, timeout_, [&] { return call.is_over; });
  if (!is_over) fail_locked(absence(call, timeout_));
  return call.failure;
}

void ThreadGroup::leave(int rank) {
  const std::lock_guard lock(mutex_);
  if (failure_.empty()) fail_locked(c10::str("rank ", rank, " has left the group"));
}

}  // namespace shardopt::distributed
