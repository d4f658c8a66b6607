#include "agree.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <future>
#include <new>
#include <thread>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <c10/core/TensorOptions.h>

#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/distributed/communicator.h"
#include "shardopt/distributed/small_messages.h"

namespace shardopt::checkpoint {
namespace {

using distributed::broadcast_text;
using distributed::Communicator;
using distributed::min_over_ranks;
using distributed::ReduceOp;

// Asking costs: seldom, once it is clear that the work is long.
constexpr std::chrono::milliseconds kAskFirst{1};
constexpr std::chrono::milliseconds kAskLast{32};

at::Tensor bytes_of(const std::string& text) {
  at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  if (!text.empty()) std::memcpy(bytes.mutable_data_ptr(), text.data(), text.size());
  return bytes;
}

Failure run(const std::function<void()>& local) {
  try {
    local();
    return {};
  } catch (...) {
    return current_failure();
  }
}

std::vector<int64_t> sizes_on_root(Communicator& world, int64_t own_size) {
  at::Tensor sizes = at::full({world.size()}, 0, at::kLong);
  sizes.mutable_data_ptr<int64_t>()[world.rank()] = own_size;
  world.all_reduce(sizes, ReduceOp::kSum)->wait();
  const auto* data = sizes.const_data_ptr<int64_t>();
  return {data, data + world.size()};
}

}  // namespace

int lowest_rank(Communicator& world, bool is_set) {
  return static_cast<int>(min_over_ranks(world, is_set ? world.rank() : world.size()));
}

Failure current_failure() {
  const auto as = [](Fault fault, std::string message) {
    return Failure{static_cast<int>(fault), std::move(message)};
  };
  try {
    throw;
  } catch (const CommError&) {
    throw;  // No agreement is possible any more.
  } catch (const CheckpointFailure& error) {
    return as(error.fault(), error.what_without_backtrace());
  } catch (const c10::Error& error) {
    return as(Fault::kMismatch, error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return as(Fault::kStorage, "there is not enough memory");
  } catch (const std::exception& error) {
    return as(Fault::kStorage, error.what());
  }
}

void throw_together(Communicator& world, const Failure& own) {
  const bool has_failed = own.fault >= 0;
  const auto first =
      static_cast<int>(min_over_ranks(world, has_failed ? world.rank() : world.size()));
  if (first == world.size()) return;
  const auto fault = static_cast<int>(
      min_over_ranks(world, world.rank() == first ? own.fault : INT32_MAX));
  const std::string message = broadcast_text(world, own.message, first);
  const std::string who = world.size() == 1 ? "" : c10::str("rank ", first, ": ");
  SHARDOPT_CHECKPOINT_FAIL(static_cast<Fault>(fault), who, message);
}

void agree(Communicator& world, const std::function<void()>& local) {
  throw_together(world, run(local));
}

void agree_slowly(Communicator& world, const std::function<void()>& local) {
  // `work` joins its thread when it goes, also when a peer's loss throws below.
  std::future<Failure> work;
  try {
    work = std::async(std::launch::async, [&local] { return run(local); });
  } catch (const std::exception&) {  // No thread to be had: this rank's failure.
    std::promise<Failure> failed;
    failed.set_value(current_failure());
    work = failed.get_future();
  }
  bool is_done = false;
  auto patience = kAskFirst;
  do {
    is_done = work.wait_for(patience) == std::future_status::ready;
    patience = std::min(2 * patience, kAskLast);
  } while (min_over_ranks(world, is_done ? 1 : 0) == 0);
  throw_together(world, work.get());
}

std::vector<std::string> gather_texts(Communicator& world, const std::string& text) {
  const std::vector<int64_t> sizes =
      sizes_on_root(world, static_cast<int64_t>(text.size()));
  const bool is_root = world.rank() == 0;
  std::vector<int64_t> sent(world.size(), 0);
  std::vector<int64_t> received(world.size(), 0);
  sent[0] = sizes[world.rank()];
  if (is_root) received = sizes;
  int64_t total = 0;
  for (const int64_t size : received) total += size;
  at::Tensor all = at::empty({total}, at::kByte);
  world.all_to_all(bytes_of(text), sent, all, received)->wait();
  std::vector<std::string> texts;
  const auto* next = static_cast<const char*>(all.const_data_ptr());
  for (int rank = 0; is_root && rank < world.size(); ++rank) {
    texts.emplace_back(next, static_cast<std::size_t>(sizes[rank]));
    next += sizes[rank];
  }
  return texts;
}

}  // namespace shardopt::checkpoint
