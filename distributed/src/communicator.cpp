#include "shardopt/distributed/communicator.h"

#include <array>
#include <numeric>

#include <ATen/core/Tensor.h>

#include "finished_work.h"
#include "rank_sum.h"
#include "shardopt/core/shard.h"
#include "tensor_view.h"

namespace shardopt::distributed {
namespace {

void check_tensor(Collective kind, const at::Tensor& tensor) {
  TORCH_CHECK(tensor.defined(), name(kind), " got an undefined tensor");
  TORCH_CHECK(tensor.is_contiguous(), name(kind),
              " takes contiguous tensors, got strides ", tensor.strides(), " of shape ",
              tensor.sizes());
}

void check_reducible(Collective kind, at::ScalarType dtype) {
  const bool reducible = dtype == at::kFloat || dtype == at::kDouble ||
                         dtype == at::kLong || dtype == at::kInt ||
                         is_accumulated_in_float(dtype);
  TORCH_CHECK(reducible, name(kind), " got ", dtype,
              "; allowed: fp32, fp64, bf16, fp16, int64, int32");
}

// `whole` is what `cut` cuts, for this group and this rank.
void check_cut(Collective kind, const Communicator& group, const at::Tensor& whole,
               const Shard& cut) {
  check_tensor(kind, whole);
  TORCH_CHECK(cut.ranks() == group.size() && cut.rank() == group.rank(), name(kind),
              " on rank ", group.rank(), " of ", group.size(), " got a cut for rank ",
              cut.rank(), " of ", cut.ranks());
  TORCH_CHECK(whole.dim() >= 1 && whole.size(0) == cut.global_rows(), name(kind),
              " got a cut of ", cut.global_rows(), " rows for shape ", whole.sizes());
}

// Two tensors of rows that differ in their number only.
void check_alike(Collective kind, const at::Tensor& input, const at::Tensor& output) {
  TORCH_CHECK(input.dim() >= 1 && output.dim() >= 1 &&
                  input.sizes().slice(1) == output.sizes().slice(1),
              name(kind), " got rows of different shapes: input ", input.sizes(),
              ", output ", output.sizes());
  TORCH_CHECK(input.device() == output.device(), name(kind), " got input on ",
              input.device(), ", output on ", output.device());
}

void check_row_counts(const char* which, std::span<const int64_t> rows, int ranks,
                      const at::Tensor& tensor) {
  TORCH_CHECK(static_cast<int>(rows.size()) == ranks, "all_to_all got ", rows.size(),
              " counts of ", which, " rows for ", ranks, " ranks");
  for (const int64_t count : rows) {
    TORCH_CHECK(count >= 0, "all_to_all got ", count, " as a count of ", which,
                " rows");
  }
  const int64_t sum = std::accumulate(rows.begin(), rows.end(), int64_t{0});
  TORCH_CHECK(sum == tensor.size(0), "all_to_all got counts of ", sum, " ", which,
              " rows for shape ", tensor.sizes());
}

// Of `bytes` cut over `ranks` as evenly as can be: the shares add up to them.
int64_t share(std::size_t bytes, int64_t rank, int64_t ranks) {
  const auto whole = static_cast<int64_t>(bytes);
  return whole * (rank + 1) / ranks - whole * rank / ranks;
}

void copy_alone(const at::Tensor& from, const at::Tensor& to) {
  flat(to).copy_(flat(from));
}

}  // namespace

std::string_view op_name(ReduceOp op) {
  static constexpr std::array<std::string_view, 3> kNames{"sum", "min", "max"};
  return kNames.at(static_cast<std::size_t>(op));
}

void Work::wait() {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  do_wait();
  if (waited_) *waited_ += Clock::now() - start;
}

std::unique_ptr<Work> Communicator::timed(std::unique_ptr<Work> work) const {
  work->waited_ = waited_;
  return work;
}

std::unique_ptr<Work> Communicator::all_reduce(at::Tensor& tensor, ReduceOp op) {
  constexpr auto kKind = Collective::kAllReduce;
  check_tensor(kKind, tensor);
  check_reducible(kKind, tensor.scalar_type());
  ledger_.record(kKind, 2 * (size() - 1) * share(tensor.nbytes(), rank(), size()));
  if (size() == 1) return std::make_unique<FinishedWork>();
  return timed(start_all_reduce(tensor, op));
}

std::unique_ptr<Work> Communicator::all_gather(at::Tensor& whole, const Shard& cut) {
  constexpr auto kKind = Collective::kAllGather;
  check_cut(kKind, *this, whole, cut);
  ledger_.record(kKind, cut.local_rows() * row_bytes(whole) * (size() - 1));
  if (size() == 1) return std::make_unique<FinishedWork>();
  return timed(start_all_gather(whole, cut));
}

std::unique_ptr<Work> Communicator::reduce_scatter(const at::Tensor& whole,
                                                   at::Tensor& piece,
                                                   const Shard& cut) {
  constexpr auto kKind = Collective::kReduceScatter;
  check_cut(kKind, *this, whole, cut);
  check_tensor(kKind, piece);
  check_reducible(kKind, whole.scalar_type());
  check_alike(kKind, whole, piece);
  TORCH_CHECK(piece.size(0) == cut.local_rows(), "reduce_scatter got a piece of shape ",
              piece.sizes(), " for ", cut.local_rows(), " rows");
  TORCH_CHECK(piece.scalar_type() == whole.scalar_type() ||
                  (piece.scalar_type() == at::kFloat &&
                   is_accumulated_in_float(whole.scalar_type())),
              "reduce_scatter of ", whole.scalar_type(), " got a piece of ",
              piece.scalar_type());
  const int64_t rows_of_others = cut.global_rows() - cut.local_rows();
  ledger_.record(kKind, rows_of_others * row_bytes(whole));
  if (size() > 1) return timed(start_reduce_scatter(whole, piece, cut));
  copy_alone(whole, piece);
  return std::make_unique<FinishedWork>();
}

std::unique_ptr<Work> Communicator::all_to_all(const at::Tensor& input,
                                               std::span<const int64_t> input_rows,
                                               at::Tensor& output,
                                               std::span<const int64_t> output_rows) {
  constexpr auto kKind = Collective::kAllToAll;
  check_tensor(kKind, input);
  check_tensor(kKind, output);
  check_alike(kKind, input, output);
  TORCH_CHECK(input.scalar_type() == output.scalar_type(), "all_to_all got input of ",
              input.scalar_type(), ", output of ", output.scalar_type());
  check_row_counts("input", input_rows, size(), input);
  check_row_counts("output", output_rows, size(), output);
  const int64_t own_rows = input_rows[rank()];
  TORCH_CHECK(own_rows == output_rows[rank()], "all_to_all on rank ", rank(), " sends ",
              own_rows, " rows to itself but receives ", output_rows[rank()]);
  ledger_.record(kKind, (input.size(0) - own_rows) * row_bytes(input));
  if (size() > 1)
    return timed(start_all_to_all(input, input_rows, output, output_rows));
  copy_alone(input, output);
  return std::make_unique<FinishedWork>();
}

std::unique_ptr<Work> Communicator::broadcast(at::Tensor& tensor, int root) {
  constexpr auto kKind = Collective::kBroadcast;
  check_tensor(kKind, tensor);
  TORCH_CHECK(0 <= root && root < size(), "broadcast got root ", root, " of ", size(),
              " ranks");
  const auto bytes = static_cast<int64_t>(tensor.nbytes());
  ledger_.record(kKind, rank() == root ? bytes * (size() - 1) : 0);
  if (size() == 1) return std::make_unique<FinishedWork>();
  return timed(start_broadcast(tensor, root));
}

std::unique_ptr<Work> Communicator::barrier() {
  ledger_.record(Collective::kBarrier, 0);
  if (size() == 1) return std::make_unique<FinishedWork>();
  return timed(start_barrier());
}

}  // namespace shardopt::distributed
