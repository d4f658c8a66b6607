#include "shardopt/distributed/thread_communicator.h"

#include <string>
#include <utility>

#include "shardopt/core/error.h"
#include "shardopt/core/shard.h"
#include "thread_collectives.h"
#include "thread_group.h"

namespace shardopt::distributed {
namespace {

class ThreadWork final : public Work {
 public:
  ThreadWork(std::string call_name, std::shared_ptr<ThreadGroup> group,
             std::shared_ptr<GroupCall> call)
      : call_name_(std::move(call_name)),
        group_(std::move(group)),
        call_(std::move(call)) {}

 private:
  void do_wait() override {
    const std::string failure = group_->wait(*call_);
    if (failure.empty()) return;
    SHARDOPT_THROW(CommError, call_name_, " failed: ", failure);
  }

  std::string call_name_;
  std::shared_ptr<ThreadGroup> group_;  // Shared with every rank of it.
  std::shared_ptr<GroupCall> call_;     // Shared with every rank in it.
};

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(int rank, std::shared_ptr<ThreadGroup> group)
      : rank_(rank), group_(std::move(group)) {}
  ~ThreadCommunicator() override { group_->leave(rank_); }

  int rank() const noexcept override { return rank_; }
  int size() const noexcept override { return group_->size(); }

 private:
  std::unique_ptr<Work> start_all_reduce(at::Tensor& tensor, ReduceOp op) override {
    return start(Collective::kAllReduce, c10::str(" ", op_name(op), " of "),
                 {.input = tensor}, reduce_for_all(op));
  }

  std::unique_ptr<Work> start_all_gather(at::Tensor& whole, const Shard& cut) override {
    return start(Collective::kAllGather,
                 c10::str(" cut ", at::IntArrayRef(cut.offsets()), " of "),
                 {.input = whole}, gather_for_all(cut));
  }

  std::unique_ptr<Work> start_reduce_scatter(const at::Tensor& whole, at::Tensor& piece,
                                             const Shard& cut) override {
    return start(Collective::kReduceScatter,
                 c10::str(" cut ", at::IntArrayRef(cut.offsets()), " of "),
                 {.input = whole, .output = piece}, reduce_pieces_for_all(cut));
  }

  std::unique_ptr<Work> start_all_to_all(
      const at::Tensor& input, std::span<const int64_t> input_rows, at::Tensor& output,
      std::span<const int64_t> output_rows) override {
    return start(Collective::kAllToAll, " of ",
                 {.input = input,
                  .output = output,
                  .input_rows = {input_rows.begin(), input_rows.end()},
                  .output_rows = {output_rows.begin(), output_rows.end()}},
                 exchange_for_all());
  }

  std::unique_ptr<Work> start_broadcast(at::Tensor& tensor, int root) override {
    return start(Collective::kBroadcast, c10::str(" from rank ", root, " of "),
                 {.input = tensor}, broadcast_for_all(root));
  }

  std::unique_ptr<Work> start_barrier() override {
    return start(Collective::kBarrier, "", {}, [](std::span<Contribution>) {});
  }

  // `detail` and the shape of the input (of its rows, where their number may differ
  // between ranks) are what the ranks must agree on.
  std::unique_ptr<Work> start(Collective kind, const std::string& detail,
                              Contribution part, const Execution& execute) {
    part.signature = c10::str(name(kind), detail);
    if (part.input.defined()) {
      const auto shape = part.input.sizes();
      const bool only_rows = kind == Collective::kAllToAll;
      part.signature +=
          c10::str(part.input.scalar_type(), only_rows ? " rows of " : " ",
                   only_rows ? shape.slice(1) : shape);
    }
    const int64_t sequence = ++calls_;
    auto call = group_->join(sequence, rank_, std::move(part), execute);
    return std::make_unique<ThreadWork>(
        c10::str(name(kind), " #", sequence, " on rank ", rank_, " of ", size()),
        group_, std::move(call));
  }

  const int rank_;
  std::shared_ptr<ThreadGroup> group_;  // Shared with the other ranks.
  int64_t calls_ = 0;
};

}  // namespace

std::vector<std::unique_ptr<Communicator>> make_thread_communicators(
    int size, std::chrono::milliseconds timeout) {
  TORCH_CHECK(size >= 1, "a group cannot have ", size, " ranks");
  const auto group = std::make_shared<ThreadGroup>(size, timeout);
  std::vector<std::unique_ptr<Communicator>> ranks;
  for (int rank = 0; rank < size; ++rank) {
    ranks.push_back(std::make_unique<ThreadCommunicator>(rank, group));
  }
  return ranks;
}

}  // namespace shardopt::distributed
