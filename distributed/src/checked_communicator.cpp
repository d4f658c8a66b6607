#include "shardopt/distributed/checked_communicator.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "shardopt/core/digest.h"
#include "shardopt/core/error.h"
#include "shardopt/core/shard.h"
#include "shardopt/distributed/layout.h"

namespace shardopt::distributed {
namespace {

// Long enough for any call; what is longer is told apart by its hash at the end.
constexpr int64_t kRecordBytes = 160;

std::string fitting(std::string text) {
  constexpr auto kMost = static_cast<std::size_t>(kRecordBytes);
  if (text.size() <= kMost) return text;
  const std::string hash = c10::str("... #", digest(text));
  text.resize(kMost - hash.size());
  return text + hash;
}

std::string describe(const at::Tensor& tensor) {
  return c10::str(" of ", tensor.scalar_type(), " ", tensor.sizes());
}

std::string describe(const at::Tensor& whole, const Shard& cut) {
  return c10::str(describe(whole), " cut at ", at::IntArrayRef(cut.offsets()));
}

class CheckedCommunicator final : public Communicator {
 public:
  CheckedCommunicator(std::unique_ptr<Communicator> inner, const std::string& group)
      : inner_(std::move(inner)), group_(group.empty() ? "" : " of '" + group + "'") {}

  int rank() const noexcept override { return inner_->rank(); }
  int size() const noexcept override { return inner_->size(); }

 private:
  std::unique_ptr<Work> start_all_reduce(at::Tensor& tensor, ReduceOp op) override {
    compare(Collective::kAllReduce, c10::str(" ", op_name(op)) + describe(tensor));
    return inner_->all_reduce(tensor, op);
  }

  std::unique_ptr<Work> start_all_gather(at::Tensor& whole, const Shard& cut) override {
    compare(Collective::kAllGather, describe(whole, cut));
    return inner_->all_gather(whole, cut);
  }

  std::unique_ptr<Work> start_reduce_scatter(const at::Tensor& whole, at::Tensor& piece,
                                             const Shard& cut) override {
    compare(Collective::kReduceScatter, describe(whole, cut));
    return inner_->reduce_scatter(whole, piece, cut);
  }

  std::unique_ptr<Work> start_all_to_all(
      const at::Tensor& input, std::span<const int64_t> input_rows, at::Tensor& output,
      std::span<const int64_t> output_rows) override {
    compare(Collective::kAllToAll,
            c10::str(" of ", input.scalar_type(), " rows of ", input.sizes().slice(1)));
    compare_counts(input_rows, output_rows);
    return inner_->all_to_all(input, input_rows, output, output_rows);
  }

  std::unique_ptr<Work> start_broadcast(at::Tensor& tensor, int root) override {
    compare(Collective::kBroadcast, c10::str(" from rank ", root) + describe(tensor));
    return inner_->broadcast(tensor, root);
  }

  std::unique_ptr<Work> start_barrier() override {
    compare(Collective::kBarrier, "");
    return inner_->barrier();
  }

  // Every rank sees the same records, so all throw or none does.
  void compare(Collective kind, const std::string& detail) {
    const c10::InferenceMode normal(false);
    const std::string own = fitting(c10::str(name(kind), detail));
    at::Tensor records = at::zeros({size(), kRecordBytes}, at::kByte);
    auto* bytes = static_cast<char*>(records.mutable_data_ptr());
    std::memcpy(bytes + rank() * kRecordBytes, own.data(), own.size());
    inner_->all_gather(records, one_row_each())->wait();
    ++calls_;
    const auto call_of = [bytes](int rank) {
      const char* record = bytes + rank * kRecordBytes;
      return std::string(record, strnlen(record, kRecordBytes));
    };
    for (int other = 1; other < size(); ++other) {
      if (call_of(other) == call_of(0)) continue;
      SHARDOPT_THROW(CommError, this_call(kind), " failed: rank 0 called ", call_of(0),
                     ", but rank ", other, " called ", call_of(other));
    }
  }

  // Entry [s, r] of `sent` is what rank s sends to rank r.
  void compare_counts(std::span<const int64_t> input_rows,
                      std::span<const int64_t> output_rows) {
    const c10::InferenceMode normal(false);
    at::Tensor counts = at::zeros({size(), 2, size()}, at::kLong);
    auto* entries = counts.mutable_data_ptr<int64_t>();
    int64_t* own = entries + 2 * rank() * size();
    std::ranges::copy(input_rows, own);
    std::ranges::copy(output_rows, own + size());
    inner_->all_gather(counts, one_row_each())->wait();
    for (int from = 0; from < size(); ++from) {
      for (int to = 0; to < size(); ++to) {
        const int64_t sent = entries[2 * from * size() + to];
        const int64_t expected = entries[(2 * to + 1) * size() + from];
        if (sent == expected) continue;
        SHARDOPT_THROW(CommError, this_call(Collective::kAllToAll), " failed: rank ",
                       from, " sends ", sent, " row(s) to rank ", to,
                       ", which expects ", expected);
      }
    }
  }

  [[nodiscard]] Shard one_row_each() const {
    return {chunk_offsets(size(), size()), rank()};
  }

  [[nodiscard]] std::string this_call(Collective kind) const {
    return c10::str(name(kind), " #", calls_, group_, " on rank ", rank(), " of ",
                    size());
  }

  std::unique_ptr<Communicator> inner_;
  const std::string group_;  // for messages
  int64_t calls_ = 0;
};

}  // namespace

std::unique_ptr<Communicator> make_checked_communicator(
    std::unique_ptr<Communicator> inner, const std::string& group) {
  TORCH_CHECK(inner != nullptr, "there is no communicator to check the calls of");
  return std::make_unique<CheckedCommunicator>(std::move(inner), group);
}

}  // namespace shardopt::distributed
