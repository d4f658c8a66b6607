#include "c10d_transport.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/ivalue.h>
#include <torch/csrc/distributed/c10d/Work.hpp>

#include "one_line.h"

namespace shardopt::distributed {
namespace {

using WorkPtr = c10::intrusive_ptr<::c10d::Work>;
using std::chrono::milliseconds;

// Gloo's message, less the place in its source and its advice.
std::string essence(const std::exception& error) {
  std::string text = one_line(error);
  if (text.starts_with('[')) text.erase(0, text.find("] ") + 2);
  const std::size_t advice = text.find(". This is typically caused by");
  text.resize(std::min(advice, text.size()));
  return text;
}

// A null work is one that the backend has done, or has put on the current stream.
class C10dPart final : public Part {
 public:
  C10dPart(WorkPtr work, bool is_stream_ordered)
      : work_(std::move(work)), is_stream_ordered_(is_stream_ordered) {}

  bool wait_for(milliseconds limit) override {
    if (work_ == nullptr) return true;
    if (is_stream_ordered_) {
      TORCH_CHECK(work_->wait(), "it was aborted");
      return true;
    }
    try {
      TORCH_CHECK(work_->wait(limit), "it was aborted");
    } catch (const std::exception& error) {
      if (!work_->isCompleted()) return false;  // The limit has passed, no more.
      TORCH_CHECK(work_->exception() == nullptr, essence(error));
    }
    return true;
  }

  bool is_over() override { return work_ == nullptr || work_->isCompleted(); }

  void when_over(std::function<void()> action) override {
    if (work_ == nullptr) return action();
    work_->getFuture()->addCallback(
        [action = std::move(action)](c10::ivalue::Future&) { action(); });
  }

 private:
  WorkPtr work_;
  bool is_stream_ordered_;
};

::c10d::ReduceOp as_c10d(ReduceOp op) {
  if (op == ReduceOp::kSum) return ::c10d::ReduceOp::SUM;
  return op == ReduceOp::kMin ? ::c10d::ReduceOp::MIN : ::c10d::ReduceOp::MAX;
}

class C10dTransport final : public Transport {
 public:
  C10dTransport(c10::intrusive_ptr<::c10d::Backend> backend, c10::Device device)
      : backend_(std::move(backend)),
        device_(device),
        rank_(backend_->getRank()),
        size_(backend_->getSize()),
        is_stream_ordered_(device.is_cuda()) {}

  int rank() const noexcept override { return rank_; }
  int size() const noexcept override { return size_; }
  bool is_stream_ordered() const noexcept override { return is_stream_ordered_; }

  std::unique_ptr<Part> all_reduce(at::Tensor& tensor, ReduceOp op) override {
    std::vector<at::Tensor> tensors{tensor};
    ::c10d::AllreduceOptions options;
    options.reduceOp = as_c10d(op);
    return part(backend_->allreduce(tensors, options));
  }

  std::unique_ptr<Part> broadcast(at::Tensor& bytes, int root) override {
    std::vector<at::Tensor> tensors{bytes};
    ::c10d::BroadcastOptions options;
    options.rootRank = root;
    return part(backend_->broadcast(tensors, options));
  }

  std::unique_ptr<Part> all_to_all(const at::Tensor& sent,
                                   std::span<const int64_t> sent_counts,
                                   at::Tensor& received,
                                   std::span<const int64_t> received_counts) override {
    std::vector<int64_t> from_us(sent_counts.begin(), sent_counts.end());
    std::vector<int64_t> to_us(received_counts.begin(), received_counts.end());
    at::Tensor input = sent;
    return part(backend_->alltoall_base(received, input, to_us, from_us));
  }

  std::unique_ptr<Part> barrier() override {
    ::c10d::BarrierOptions options;
    if (device_.has_index()) options.device = device_;
    return part(backend_->barrier(options));
  }

 private:
  [[nodiscard]] std::unique_ptr<Part> part(WorkPtr work) const {
    return std::make_unique<C10dPart>(std::move(work), is_stream_ordered_);
  }

  c10::intrusive_ptr<::c10d::Backend> backend_;  // Possibly shared with the caller.
  const c10::Device device_;
  const int rank_;
  const int size_;
  const bool is_stream_ordered_;
};

}  // namespace

std::unique_ptr<Transport> make_c10d_transport(
    c10::intrusive_ptr<::c10d::Backend> backend, c10::Device device) {
  return std::make_unique<C10dTransport>(std::move(backend), device);
}

}  // namespace shardopt::distributed
