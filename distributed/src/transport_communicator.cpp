#include <memory>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "finished_work.h"
#include "piece_exchange.h"
#include "rank_sum.h"
#include "shardopt/core/shard.h"
#include "shardopt/distributed/timeline.h"
#include "task_queue.h"
#include "tensor_view.h"
#include "transport_trace.h"
#include "transport_work.h"

namespace shardopt::distributed {
namespace {

using Launch = std::function<void(TransportCall&)>;

std::vector<int64_t> as_bytes(std::span<const int64_t> rows, const at::Tensor& tensor) {
  std::vector<int64_t> bytes;
  for (const int64_t count : rows) bytes.push_back(count * row_bytes(tensor));
  return bytes;
}

// Transports match the calls of ranks by their order alone. So all go out in the order
// in which they were made: at once, or behind a reduce_scatter in rounds, which goes
// out from the queue's thread. What only moves, moves as bytes.
class TransportCommunicator final : public Communicator {
 public:
  TransportCommunicator(std::unique_ptr<Transport> transport, GroupContext context)
      : group_(std::make_shared<TransportGroup>(
            TransportGroup{.context = std::move(context),
                           .is_stream_ordered = transport->is_stream_ordered()})),
        transport_(std::move(transport)),
        rank_(transport_->rank()),
        size_(transport_->size()) {}

  int rank() const noexcept override { return rank_; }
  int size() const noexcept override { return size_; }

 private:
  // bf16 and fp16 are reduced in a copy, since a transport would round at each rank.
  std::unique_ptr<Work> start_all_reduce(at::Tensor& tensor, ReduceOp op) override {
    at::Tensor target = flat(tensor);
    auto call = make_call(Collective::kAllReduce, {target});
    if (tensor.numel() == 0) return std::make_unique<FinishedWork>();
    at::Tensor sent = target;
    if (is_accumulated_in_float(tensor.scalar_type())) {
      sent = acquire(*call, at::kFloat, target.numel(), target.device());
      sent.copy_(target);
      call->finish = [target, sent] { target.copy_(sent); };
    }
    return launch(std::move(call), [this, sent, op](TransportCall& out) mutable {
      out.parts.push_back(transport_->all_reduce(sent, op));
    });
  }

  // A broadcast per owner moves no padding, whatever the cut.
  std::unique_ptr<Work> start_all_gather(at::Tensor& whole, const Shard& cut) override {
    auto call = make_call(Collective::kAllGather, {whole});
    const int64_t width = row_bytes(whole);
    return launch(std::move(call), [this, target = bytes_of(whole), cut,
                                    width](TransportCall& out) {
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
    at::Tensor received = acquire(*call, whole.scalar_type(),
                                  size_ * exchange.elements(0, rank_), whole.device());
    if (exchange.rounds() == 1) {
      return launch(
          std::move(call), [this, exchange, target, received](TransportCall& out) {
            out.parts.push_back(send_round(exchange, 0, exchange.whole(), received));
            out.finish = [this, received, target] { sum_received(received, target); };
          });
    }
    const at::Tensor sent = acquire(*call, whole.scalar_type(),
                                    exchange.most_sent_elements(), whole.device());
    return start(
        std::move(call),
        [this, exchange, target, received, sent](TransportCall& out) {
          exchange_in_rounds(exchange, sent, received, target, out.id);
        },
        group_->is_stream_ordered && queue_.is_idle());
  }

  std::unique_ptr<Work> start_all_to_all(
      const at::Tensor& input, std::span<const int64_t> input_rows, at::Tensor& output,
      std::span<const int64_t> output_rows) override {
    auto call = make_call(Collective::kAllToAll, {input, output});
    return launch(
        std::move(call),
        [this, sent = bytes_of(input), received = bytes_of(output),
         sent_bytes = as_bytes(input_rows, input),
         received_bytes = as_bytes(output_rows, output)](TransportCall& out) mutable {
          out.parts.push_back(
              transport_->all_to_all(sent, sent_bytes, received, received_bytes));
        });
  }

  std::unique_ptr<Work> start_broadcast(at::Tensor& tensor, int root) override {
    auto call = make_call(Collective::kBroadcast, {tensor});
    if (tensor.numel() == 0) return std::make_unique<FinishedWork>();
    return launch(std::move(call),
                  [this, target = bytes_of(tensor), root](TransportCall& out) {
                    broadcast_bytes(target, root, out);
                  });
  }

  std::unique_ptr<Work> start_barrier() override {
    return launch(make_call(Collective::kBarrier, {}), [this](TransportCall& out) {
      out.parts.push_back(transport_->barrier());
    });
  }

  std::shared_ptr<TransportCall> make_call(Collective kind,
                                           std::vector<at::Tensor> tensors) {
    const GroupContext& context = group_->context;
    const std::string group =
        context.name.empty() ? "" : c10::str(" of '", context.name, "'");
    PeerCall id{.group = context.name,
                .ranks = context.ranks,
                .sequence = ++calls_,
                .kind = std::string(name(kind)),
                .what = c10::str(name(kind), " #", calls_, group, " on rank ", rank_,
                                 " of ", size_)};
    if (context.watch) context.watch->entered(id);
    group_->drop_finished();
    return std::make_shared<TransportCall>(
        TransportCall{.id = std::move(id), .tensors = std::move(tensors)});
  }

  // [numel], from the group's pool; given back when `call` is over.
  at::Tensor acquire(TransportCall& call, at::ScalarType dtype, int64_t numel,
                     c10::Device device) {
    const auto bytes = numel * static_cast<int64_t>(c10::elementSize(dtype));
    if (!group_->pool) group_->pool.emplace(device);
    call.buffers.push_back(group_->pool->acquire(bytes));
    return view_as(call.buffers.back(), dtype, numel);
  }

  std::unique_ptr<Work> launch(std::shared_ptr<TransportCall> call, Launch body) {
    return start(std::move(call), std::move(body), queue_.is_idle());
  }

  std::unique_ptr<Work> start(std::shared_ptr<TransportCall> call, Launch body,
                              bool now) {
    std::packaged_task<void()> task([call, body = std::move(body),
                                     timeline = group_->context.timeline,
                                     track = group_->context.name]() mutable {
      const TransportTrace trace(timeline, track, call->id.what);
      body(*call);
      trace.end_with(call->parts);
    });
    std::future<void> launched = task.get_future();
    if (now) {
      task();
    } else {
      queue_.push(std::move(task));
    }
    return std::make_unique<TransportWork>(
        LaunchedCall{std::move(call), std::move(launched)}, group_);
  }

  void broadcast_bytes(at::Tensor bytes, int root, TransportCall& out) {
    out.parts.push_back(transport_->broadcast(bytes, root));
  }

  // What arrives is [ranks, elements of the round's piece], at the front of `received`.
  std::unique_ptr<Part> send_round(const PieceExchange& exchange, int64_t round,
                                   const at::Tensor& sent, const at::Tensor& received) {
    const int64_t elements = exchange.elements(round, rank_);
    std::vector<int64_t> sent_elements;
    for (int r = 0; r < size_; ++r) {
      sent_elements.push_back(exchange.elements(round, r));
    }
    const std::vector<int64_t> received_elements(size_, elements);
    at::Tensor arrival = received.narrow(0, 0, size_ * elements);
    return transport_->all_to_all(sent, sent_elements, arrival, received_elements);
  }

  void sum_received(const at::Tensor& received, at::Tensor target) const {
    const int64_t elements = target.numel();
    const at::Tensor parts =
        received.narrow(0, 0, size_ * elements).view({size_, elements});
    sum_in_order(parts.unbind(0), target);
  }

  void exchange_in_rounds(const PieceExchange& exchange, const at::Tensor& sent,
                          const at::Tensor& received, const at::Tensor& target,
                          const PeerCall& call) {
    const auto start = std::chrono::steady_clock::now();
    for (int64_t round = 0; round < exchange.rounds(); ++round) {
      const auto part =
          send_round(exchange, round, exchange.copy_sent(round, sent), received);
      wait_for_part(*part, *group_, call, start);
      sum_received(received, target.narrow(0, exchange.begin(round, rank_),
                                           exchange.elements(round, rank_)));
    }
  }

  // Destroyed last to first: the queue's thread uses the transport, and both the
  // tensors of abandoned calls.
  std::shared_ptr<TransportGroup> group_;  // Shared with the works.
  std::unique_ptr<Transport> transport_;
  const int rank_;
  const int size_;
  int64_t calls_ = 0;
  TaskQueue queue_;
};

}  // namespace

std::unique_ptr<Communicator> make_transport_communicator(
    std::unique_ptr<Transport> transport, GroupContext context) {
  return std::make_unique<TransportCommunicator>(std::move(transport),
                                                 std::move(context));
}

}  // namespace shardopt::distributed
