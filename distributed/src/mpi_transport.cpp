#include "mpi_transport.h"

#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpi_job.h"

namespace shardopt::distributed {
namespace {

using std::chrono::milliseconds;

class MpiPart final : public Part {
 public:
  explicit MpiPart(std::shared_ptr<MpiCall> call) : call_(std::move(call)) {}

  bool wait_for(milliseconds limit) override { return call_->wait_for(limit); }
  bool is_over() override { return call_->is_over(); }
  void when_over(std::function<void()> action) override {
    call_->when_over(std::move(action));
  }

 private:
  std::shared_ptr<MpiCall> call_;  // Shared with the thread that advances it.
};

MpiType type_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return MpiType::kFloat;
    case at::kDouble:
      return MpiType::kDouble;
    case at::kInt:
      return MpiType::kInt32;
    case at::kLong:
      return MpiType::kInt64;
    default:
      TORCH_CHECK(false, "all_reduce through MPI got ", tensor.scalar_type(),
                  "; allowed: fp32, fp64, int64, int32");
  }
}

MpiReduction reduction_of(ReduceOp op) {
  if (op == ReduceOp::kSum) return MpiReduction::kSum;
  return op == ReduceOp::kMin ? MpiReduction::kMin : MpiReduction::kMax;
}

void check_on_cpu(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_cpu(), "a tensor on ", tensor.device(),
              " for MPI; allowed: cpu");
}

std::vector<int64_t> as_bytes(std::span<const int64_t> counts,
                              const at::Tensor& tensor) {
  std::vector<int64_t> bytes;
  for (const int64_t count : counts) {
    bytes.push_back(count * static_cast<int64_t>(tensor.element_size()));
  }
  return bytes;
}

class MpiTransport final : public Transport {
 public:
  explicit MpiTransport(std::unique_ptr<MpiGroup> group) : group_(std::move(group)) {}

  int rank() const noexcept override { return group_->rank(); }
  int size() const noexcept override { return group_->size(); }
  bool is_stream_ordered() const noexcept override { return false; }

  std::unique_ptr<Part> all_reduce(at::Tensor& tensor, ReduceOp op) override {
    check_on_cpu(tensor);
    return part(group_->all_reduce(tensor.mutable_data_ptr(), tensor.numel(),
                                   type_of(tensor), reduction_of(op)),
                {tensor});
  }

  std::unique_ptr<Part> broadcast(at::Tensor& bytes, int root) override {
    check_on_cpu(bytes);
    auto* const data = static_cast<std::byte*>(bytes.mutable_data_ptr());
    return part(group_->broadcast({data, bytes.nbytes()}, root), {bytes});
  }

  std::unique_ptr<Part> all_to_all(const at::Tensor& sent,
                                   std::span<const int64_t> sent_counts,
                                   at::Tensor& received,
                                   std::span<const int64_t> received_counts) override {
    check_on_cpu(sent);
    check_on_cpu(received);
    const auto* const from = static_cast<const std::byte*>(sent.const_data_ptr());
    auto* const to = static_cast<std::byte*>(received.mutable_data_ptr());
    return part(group_->all_to_all(from, as_bytes(sent_counts, sent), to,
                                   as_bytes(received_counts, received)),
                {sent, received});
  }

  std::unique_ptr<Part> barrier() override { return part(group_->barrier(), {}); }

 private:
  static std::unique_ptr<Part> part(std::unique_ptr<MpiRequests> requests,
                                    std::vector<at::Tensor> memory) {
    return std::make_unique<MpiPart>(mpi_progress().advance(
        std::move(requests),
        std::make_shared<const std::vector<at::Tensor>>(std::move(memory))));
  }

  std::unique_ptr<MpiGroup> group_;
};

}  // namespace

std::unique_ptr<Transport> make_mpi_transport(std::unique_ptr<MpiGroup> group) {
  return std::make_unique<MpiTransport>(std::move(group));
}

}  // namespace shardopt::distributed
