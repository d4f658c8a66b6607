/// How messages of a group get from rank to rank: what a backend has to supply.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "shardopt/distributed/communicator.h"
#include "shardopt/distributed/group_context.h"

namespace shardopt::distributed {

/// Messages under way. Its memory is kept alive by whoever holds it.
class Part {
 public:
  Part() = default;
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  virtual ~Part() = default;

  /// Returns whether they have arrived, waiting for `limit` at most. On a
  /// stream-ordered transport true at once: what follows on the current stream comes
  /// after them. Throws, saying why, if they never will.
  [[nodiscard]] virtual bool wait_for(std::chrono::milliseconds limit) = 0;

  /// Whether nobody reads or writes the memory any more. Does not wait.
  [[nodiscard]] virtual bool is_over() = 0;

  /// Calls `action` once they have arrived or failed, on any thread.
  virtual void when_over(std::function<void()> action) = 0;
};

/// Every rank starts the same parts in the same order. All tensors are contiguous and
/// of one dimension, outside autograd, and not empty.
///
/// Thread safety: one call at a time, from any thread; parts may be waited for on
/// another one meanwhile.
class Transport {
 public:
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  [[nodiscard]] virtual int rank() const noexcept = 0;
  [[nodiscard]] virtual int size() const noexcept = 0;
  /// Whether waits return before the data is there, as on GPUs.
  [[nodiscard]] virtual bool is_stream_ordered() const noexcept = 0;

  /// [elements] of fp32, fp64, int64 or int32. Every rank gets the same bits.
  [[nodiscard]] virtual std::unique_ptr<Part> all_reduce(at::Tensor& tensor,
                                                         ReduceOp op) = 0;
  /// [bytes], of rank `root`.
  [[nodiscard]] virtual std::unique_ptr<Part> broadcast(at::Tensor& bytes,
                                                        int root) = 0;
  /// `sent_counts[r]` elements of `sent` go to rank r, in rank order, and
  /// `received_counts[r]` of `received` come from it. Either may be empty.
  [[nodiscard]] virtual std::unique_ptr<Part> all_to_all(
      const at::Tensor& sent, std::span<const int64_t> sent_counts,
      at::Tensor& received, std::span<const int64_t> received_counts) = 0;
  [[nodiscard]] virtual std::unique_ptr<Part> barrier() = 0;
};

/// The collectives over it.
[[nodiscard]] std::unique_ptr<Communicator> make_transport_communicator(
    std::unique_ptr<Transport> transport, GroupContext context);

}  // namespace shardopt::distributed
