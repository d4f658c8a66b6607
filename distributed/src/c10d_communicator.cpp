#include "shardopt/distributed/c10d_communicator.h"

#include <utility>

#include <ATen/ops/empty.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "c10d_backend.h"
#include "c10d_work.h"
#include "finished_work.h"
#include "libtorch_version.h"
#include "piece_exchange.h"
#include "rank_sum.h"
#include "shardopt/core/shard.h"
#include "task_queue.h"
#include "tensor_view.h"

namespace shardopt::distributed {
namespace {

using BackendPtr = c10::intrusive_ptr<::c10d::Backend>;
using Launch = std::function<void(C10dCall&)>;

::c10d::ReduceOp as_c10d(ReduceOp op) {
  if (op == ReduceOp::kSum) return ::c10d::ReduceOp::SUM;
  return op == ReduceOp::kMin ? ::c10d::ReduceOp::MIN : ::c10d::ReduceOp::MAX;
}

std::vector<int64_t> as_bytes(std::span<const int64_t> rows, const at::Tensor& tensor) {
  std::vector<int64_t> bytes;
  for (const int64_t count : rows) bytes.push_back(count * row_bytes(tensor));
  return bytes;
}

// Backends match the calls of ranks by their order alone. So all go out in the order in
// which they were made: at once, or behind a reduce_scatter in rounds, which goes out
// from the queue's thread. What only moves, moves as bytes.
class C10dCommunicator final : public Communicator {
 public:
  explicit C10dCommunicator(BackendPtr backend)
      : backend_(std::move(backend)),
        rank_(backend_->getRank()),
        size_(backend_->getSize()) {}

  int rank() const noexcept override { return rank_; }
  int size() const noexcept override { return size_; }

 private:
  // bf16 and fp16 are summed in a copy, since a backend rounds at each rank.
  std::unique_ptr<Work> start_all_reduce(at::Tensor& tensor, ReduceOp op) override {
    at::Tensor target = flat(tensor);
    const bool is_copied =
        op == ReduceOp::kSum && is_accumulated_in_float(tensor.scalar_type());
    const at::Tensor sent = is_copied ? target.to(at::kFloat) : target;
    auto call = make_call(Collective::kAllReduce, {target, sent});
    if (is_copied) call->finish = [target, sent] { target.copy_(sent); };
    if (tensor.numel() == 0) return std::make_unique<FinishedWork>();
    return launch(std::move(call), [this, sent, op](C10dCall& out) {
      std::vector<at::Tensor> tensors{sent};
      ::c10d::AllreduceOptions options;
      options.reduceOp = as_c10d(op);
      out.parts.push_back(backend_->allreduce(tensors, options));
    });
  }

  // A broadcast per owner moves no padding, whatever the cut.
  std::unique_ptr<Work> start_all_gather(at::Tensor& whole, const Shard& cut) override {
    auto call = make_call(Collective::kAllGather, {whole});
    const int64_t width = row_bytes(whole);
    return launch(std::move(call), [this, target = bytes_of(whole), cut,
                                    width](C10dCall& out) {
      for (int owner = 0; owner < size_; ++owner) {
        const int64_t bytes = cut.rows(owner) * width;
        if (bytes == 0) continue;
        broadcast_bytes(target.narrow(0, cut.begin(owner) * width, bytes), owner, out);
      }
    });
  }

  std::unique_ptr<Work> start_reduce_scatter(const at::Tensor& whole, at::Tensor& piece,
                                             const Shard& cut) override {
    auto call = make_call(Collective::kReduceScatter, {whole, piece});
    if (whole.numel() == 0) return std::make_unique<FinishedWork>();
    const PieceExchange exchange(whole, cut);
    at::Tensor target = flat(piece);
    if (exchange.rounds() > 1) {
      return enqueue(std::move(call), [this, exchange, target](C10dCall&) {
        exchange_in_rounds(exchange, target);
      });
    }
    return launch(std::move(call), [this, exchange, target](C10dCall& out) {
      const at::Tensor received = send_round(exchange, 0, out);
      out.finish = [received, target] { sum_received(received, target); };
    });
  }

  std::unique_ptr<Work> start_all_to_all(
      const at::Tensor& input, std::span<const int64_t> input_rows, at::Tensor& output,
      std::span<const int64_t> output_rows) override {
    auto call = make_call(Collective::kAllToAll, {input, output});
    return launch(
        std::move(call),
        [this, sent = bytes_of(input), received = bytes_of(output),
         sent_bytes = as_bytes(input_rows, input),
         received_bytes = as_bytes(output_rows, output)](C10dCall& out) mutable {
          out.parts.push_back(
              backend_->alltoall_base(received, sent, received_bytes, sent_bytes));
        });
  }

  std::unique_ptr<Work> start_broadcast(at::Tensor& tensor, int root) override {
    auto call = make_call(Collective::kBroadcast, {tensor});
    if (tensor.numel() == 0) return std::make_unique<FinishedWork>();
    return launch(std::move(call),
                  [this, target = bytes_of(tensor), root](C10dCall& out) {
                    broadcast_bytes(target, root, out);
                  });
  }

  std::unique_ptr<Work> start_barrier() override {
    return launch(make_call(Collective::kBarrier, {}),
                  [this](C10dCall& out) { out.parts.push_back(backend_->barrier()); });
  }

  std::shared_ptr<C10dCall> make_call(Collective kind,
                                      std::vector<at::Tensor> tensors) {
    return std::make_shared<C10dCall>(C10dCall{
        .name = c10::str(name(kind), " #", ++calls_, " on rank ", rank_, " of ", size_),
        .tensors = std::move(tensors)});
  }

  std::unique_ptr<Work> launch(std::shared_ptr<C10dCall> call, Launch body) {
    return start(std::move(call), std::move(body), queue_.is_idle());
  }

  std::unique_ptr<Work> enqueue(std::shared_ptr<C10dCall> call, Launch body) {
    return start(std::move(call), std::move(body), false);
  }

  std::unique_ptr<Work> start(std::shared_ptr<C10dCall> call, Launch body, bool now) {
    abandoned_->drop_finished();
    std::packaged_task<void()> task(
        [call, body = std::move(body)]() mutable { body(*call); });
    std::future<void> launched = task.get_future();
    if (now) {
      task();
    } else {
      queue_.push(std::move(task));
    }
    return std::make_unique<C10dWork>(
        LaunchedCall{std::move(call), std::move(launched)}, abandoned_);
  }

  void broadcast_bytes(const at::Tensor& bytes, int root, C10dCall& out) {
    std::vector<at::Tensor> tensors{bytes};
    ::c10d::BroadcastOptions options;
    options.rootRank = root;
    out.parts.push_back(backend_->broadcast(tensors, options));
  }

  // Returns where the round's elements of our piece will be, [ranks, elements].
  at::Tensor send_round(const PieceExchange& exchange, int64_t round, C10dCall& out) {
    at::Tensor sent = exchange.sent(round);
    const int64_t elements = exchange.elements(round, rank_);
    at::Tensor received = at::empty({size_ * elements}, sent.options());
    std::vector<int64_t> sent_elements;
    for (int r = 0; r < size_; ++r)
      sent_elements.push_back(exchange.elements(round, r));
    std::vector<int64_t> received_elements(size_, elements);
    out.tensors.insert(out.tensors.end(), {sent, received});
    out.parts.push_back(
        backend_->alltoall_base(received, sent, received_elements, sent_elements));
    return received.view({size_, elements});
  }

  static void sum_received(const at::Tensor& received, at::Tensor target) {
    sum_in_order(received.unbind(0), target);
  }

  void exchange_in_rounds(const PieceExchange& exchange, const at::Tensor& target) {
    for (int64_t round = 0; round < exchange.rounds(); ++round) {
      C10dCall part{.name = {}, .tensors = {}};
      const at::Tensor received = send_round(exchange, round, part);
      TORCH_CHECK(part.parts.front()->wait(), "it was aborted");
      sum_received(received, target.narrow(0, exchange.begin(round, rank_),
                                           exchange.elements(round, rank_)));
    }
  }

  // Destroyed last to first: the queue's thread uses the backend, and both the tensors
  // of abandoned calls.
  std::shared_ptr<AbandonedCalls> abandoned_ = std::make_shared<AbandonedCalls>();
  BackendPtr backend_;  // Possibly shared with the caller.
  const int rank_;
  const int size_;
  int64_t calls_ = 0;
  TaskQueue queue_;
};

}  // namespace

std::unique_ptr<Communicator> make_c10d_communicator(
    const c10::intrusive_ptr<::c10d::Store>& store, const std::string& name,
    const C10dOptions& options) {
  TORCH_CHECK(0 <= options.rank && options.rank < options.size, "group '", name,
              "' has no rank ", options.rank, " of ", options.size);
  check_libtorch_version();
  return make_c10d_communicator(make_backend(store, name, options));
}

std::unique_ptr<Communicator> make_c10d_communicator(BackendPtr backend) {
  TORCH_CHECK(backend != nullptr, "a communicator needs a backend");
  check_libtorch_version();
  return std::make_unique<C10dCommunicator>(std::move(backend));
}

std::unique_ptr<Communicator> make_c10d_communicator(
    const c10::intrusive_ptr<::c10d::ProcessGroup>& group, c10::Device device) {
  TORCH_CHECK(group != nullptr, "a communicator needs a process group");
  check_libtorch_version();
  return make_c10d_communicator(group->getBackend(device.type()));
}

}  // namespace shardopt::distributed
