/// Collectives over a fixed group of ranks.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "shardopt/distributed/ledger.h"

namespace at {
class Tensor;
}
namespace shardopt {
class Shard;
}

namespace shardopt::distributed {

enum class ReduceOp : uint8_t { kSum, kMin, kMax };

/// "sum", "min" or "max".
[[nodiscard]] std::string_view op_name(ReduceOp op);

/// A collective under way. It keeps its tensors alive; nobody writes an input, or
/// touches an output, until `wait` has returned.
class Work {
 public:
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  virtual ~Work() = default;

  /// Returns when the outputs are complete; again at once if called again. Throws
  /// CommError, naming call, sequence number and rank, if a peer failed or the
  /// timeout passed.
  void wait();

 protected:
  Work() = default;

 private:
  friend class Communicator;
  virtual void do_wait() = 0;

  std::shared_ptr<std::chrono::nanoseconds> waited_;  // Shared with the communicator.
};

/// A group of `size()` ranks, of which this process (or thread) is `rank()`.
///
/// Collective contract: every rank makes the same calls in the same order, with the
/// same dtype, global shape and cut. A call returns at once; several may be under
/// way and be waited for in any order. A rank that bails out throws; its peers then
/// throw CommError within the timeout. Arguments that break a precondition throw
/// c10::Error before anything is sent.
///
/// Tensors are contiguous and of one device; fp32, fp64, bf16 and int64 at least.
/// Sums of bf16 are accumulated in fp32 and rounded once. Sums over ranks are taken
/// in rank order wherever pieces are (reduce_scatter): same ranks, same bits.
/// With one rank every call is a copy, or nothing.
///
/// Thread safety: none; one communicator per thread.
class Communicator {
 public:
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  [[nodiscard]] virtual int rank() const noexcept = 0;
  [[nodiscard]] virtual int size() const noexcept = 0;

  /// Replaces `tensor` ([*]) by its reduction over all ranks: the same bits on each.
  [[nodiscard]] std::unique_ptr<Work> all_reduce(at::Tensor& tensor, ReduceOp op);

  /// Completes `whole` ([cut.global_rows(), *]), of which each rank has filled in
  /// its own rows. Pieces may be very uneven, empty or everything: the bytes moved
  /// are those of the data.
  [[nodiscard]] std::unique_ptr<Work> all_gather(at::Tensor& whole, const Shard& cut);

  /// Sets `piece` ([cut.local_rows(), *]) to the sum over ranks of those rows of
  /// `whole` ([cut.global_rows(), *]). `piece` is of the dtype of `whole`, or fp32
  /// where `whole` is bf16 (the sum is then not rounded).
  [[nodiscard]] std::unique_ptr<Work> reduce_scatter(const at::Tensor& whole,
                                                     at::Tensor& piece,
                                                     const Shard& cut);

  /// Sends `input_rows[r]` rows of `input` to rank r, in rank order, and receives
  /// `output_rows[r]` rows of `output` from it. Both have one entry per rank.
  [[nodiscard]] std::unique_ptr<Work> all_to_all(const at::Tensor& input,
                                                 std::span<const int64_t> input_rows,
                                                 at::Tensor& output,
                                                 std::span<const int64_t> output_rows);

  /// Replaces `tensor` ([*]) by that of rank `root`.
  [[nodiscard]] std::unique_ptr<Work> broadcast(at::Tensor& tensor, int root);

  /// Its `wait` returns when every rank has made the call.
  [[nodiscard]] std::unique_ptr<Work> barrier();

  [[nodiscard]] const Ledger& ledger() const noexcept { return ledger_; }
  void clear_ledger() noexcept { ledger_.clear(); }
  /// Time that callers have spent in `wait` of this communicator's works.
  [[nodiscard]] std::chrono::nanoseconds waited() const noexcept { return *waited_; }

 protected:
  Communicator() = default;

 private:
  // Called with arguments that were checked, and only if size() > 1.
  virtual std::unique_ptr<Work> start_all_reduce(at::Tensor& tensor, ReduceOp op) = 0;
  virtual std::unique_ptr<Work> start_all_gather(at::Tensor& whole,
                                                 const Shard& cut) = 0;
  virtual std::unique_ptr<Work> start_reduce_scatter(const at::Tensor& whole,
                                                     at::Tensor& piece,
                                                     const Shard& cut) = 0;
  virtual std::unique_ptr<Work> start_all_to_all(
      const at::Tensor& input, std::span<const int64_t> input_rows, at::Tensor& output,
      std::span<const int64_t> output_rows) = 0;
  virtual std::unique_ptr<Work> start_broadcast(at::Tensor& tensor, int root) = 0;
  virtual std::unique_ptr<Work> start_barrier() = 0;

  [[nodiscard]] std::unique_ptr<Work> timed(std::unique_ptr<Work> work) const;

  Ledger ledger_;
  std::shared_ptr<std::chrono::nanoseconds> waited_ =
      std::make_shared<std::chrono::nanoseconds>(0);
};

/// The group of one rank.
[[nodiscard]] std::unique_ptr<Communicator> make_single_communicator();

}  // namespace shardopt::distributed
