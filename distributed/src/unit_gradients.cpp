#include "unit_gradients.h"

#include <map>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

namespace shardopt::distributed {
namespace {

constexpr auto kFloatBytes = static_cast<int64_t>(sizeof(float));

int64_t bytes_before(const at::Tensor& tensor, int64_t index) {
  return index * static_cast<int64_t>(tensor.element_size());
}

// Entry `index` of a contiguous tensor; zeros if it is undefined.
const void* source(const at::Tensor& tensor, int64_t index) {
  if (!tensor.defined()) return nullptr;
  return static_cast<const char*>(tensor.const_data_ptr()) +
         bytes_before(tensor, index);
}

void* destination(const at::Tensor& tensor, int64_t index) {
  return static_cast<char*>(tensor.mutable_data_ptr()) + bytes_before(tensor, index);
}

}  // namespace

UnitGradients::UnitGradients(UnitStorage& storage, const Mesh& mesh,
                             at::ScalarType reduce_dtype, UnitMemory& memory)
    : storage_(storage), mesh_(mesh), reduce_dtype_(reduce_dtype), memory_(memory) {
  const c10::InferenceMode normal(false);
  std::vector<WireTensor> tensors;
  kept_begin_.push_back(0);
  at::TensorOptions options;
  for (std::size_t i = 0; i < storage.parameters().size(); ++i) {
    const UnitParameter& p = storage.parameters()[i];
    if (!p.is_trainable) continue;
    options = p.rows.options();
    trainable_.push_back(i);
    tensors.push_back({p.shard, p.row_numel});
    kept_begin_.push_back(kept_begin_.back() + p.leaf.numel());
  }
  const auto marks = static_cast<int64_t>(trainable_.size());
  kept_.resize(trainable_.size());
  ones_ = at::ones({marks}, options);
  plan_ = std::make_unique<WirePlan>(tensors, mesh.reduce().rank(),
                                     mesh.reduce().size(), marks);
}

UnitParameter& UnitGradients::parameter(std::size_t i) const {
  return storage_.parameters()[trainable_[i]];
}

// The whole gradient of one backward or of several; undefined if there is none.
at::Tensor UnitGradients::take(std::size_t i) {
  at::Tensor gradient = std::exchange(parameter(i).leaf.mutable_grad(), at::Tensor());
  TORCH_CHECK(!gradient.defined() || gradient.layout() == at::kStrided, "parameter '",
              parameter(i).name,
              "' has a sparse gradient; only dense ones are reduced");
  at::Tensor kept = std::exchange(kept_[i], at::Tensor());
  if (!kept.defined()) return gradient;
  return gradient.defined() ? kept.add_(gradient) : kept;
}

// Autograd's own tensor where it is fp32.
void UnitGradients::keep() {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < count(); ++i) {
    const at::Tensor gradient = take(i);
    if (!gradient.defined()) continue;
    const bool is_float = gradient.scalar_type() == at::kFloat;
    kept_[i] = is_float ? gradient : kept_slot(i).copy_(gradient);
  }
}

at::Tensor UnitGradients::kept_slot(std::size_t i) {
  const int64_t total = kept_begin_.back();
  if (!kept_memory_.defined()) {
    kept_memory_ = memory_.pool.acquire(total * kFloatBytes);
  }
  return view_as(kept_memory_, at::kFloat, total)
      .narrow(0, kept_begin_[i], kept_begin_[i + 1] - kept_begin_[i])
      .view(parameter(i).leaf.sizes());
}

void UnitGradients::start_reduction() {
  if (is_alone() || count() == 0) return;
  const c10::InferenceMode normal(false);
  const at::NoGradGuard no_grad;
  if (mesh_.reduce().size() == 1) {
    piece_ = acquire_piece();
    pack(piece_);
    second_sum_ = mesh_.replicate().all_reduce(piece_, ReduceOp::kSum);
    return;
  }
  const auto element_bytes = static_cast<int64_t>(c10::elementSize(reduce_dtype_));
  message_ = memory_.pool.acquire(plan_->numel() * element_bytes);
  const at::Tensor message = view_as(message_, reduce_dtype_, plan_->numel());
  pack(message);
  piece_ = acquire_piece();
  first_sum_ = mesh_.reduce().reduce_scatter(message, piece_, plan_->cut());
}

at::Tensor UnitGradients::acquire_piece() {
  if (!has_row_gradients()) return own_piece();
  const int64_t numel = plan_->cut().local_rows();
  spare_ = memory_.pool.acquire(numel * kFloatBytes);
  return view_as(spare_, at::kFloat, numel);
}

const at::Tensor& UnitGradients::own_piece() {
  if (!own_piece_.defined()) {
    const int64_t numel = plan_->cut().local_rows();
    own_piece_ = view_as(memory_.pool.allocate(numel * kFloatBytes), at::kFloat, numel);
  }
  return own_piece_;
}

// Every rank's rows, and for every rank our marks.
void UnitGradients::pack(const at::Tensor& message) {
  std::vector<at::Tensor> gradients;  // alive until they are packed
  std::map<at::ScalarType, std::vector<PackRun>> runs;
  std::vector<PackRun>& marks = runs[at::kFloat];
  for (std::size_t i = 0; i < count(); ++i) {
    at::Tensor gradient = take(i);
    if (gradient.defined()) gradient = gradient.resolve_neg().contiguous();
    const at::Tensor mark = gradient.defined() ? ones_ : at::Tensor();
    auto& rows = gradient.defined() ? runs[gradient.scalar_type()] : marks;
    for (int rank = 0; rank < mesh_.reduce().size(); ++rank) {
      const auto& [message_begin, tensor_begin, numel] = plan_->piece(i, rank);
      const int64_t mark_begin = plan_->trailer_begin(rank) + static_cast<int64_t>(i);
      rows.push_back(
          {source(gradient, tensor_begin), destination(message, message_begin), numel});
      marks.push_back({source(mark, 0), destination(message, mark_begin), 1});
    }
    gradients.push_back(std::move(gradient));
  }
  for (const auto& [dtype, list] : runs) {
    memory_.pack(list, dtype, message.scalar_type());
  }
  memory_.pool.give_back(std::exchange(kept_memory_, {}));
}

void UnitGradients::start_second_sum() {
  if (!first_sum_) return;
  const at::NoGradGuard no_grad;
  first_sum_->wait();
  first_sum_.reset();
  memory_.pool.give_back(std::exchange(message_, {}));
  if (mesh_.replicate().size() == 1) return complete();
  second_sum_ = mesh_.replicate().all_reduce(piece_, ReduceOp::kSum);
}

void UnitGradients::finish_reduction() {
  const at::NoGradGuard no_grad;
  if (is_alone()) return deliver_alone();
  start_second_sum();
  if (!second_sum_) return;
  second_sum_->wait();
  second_sum_.reset();
  complete();
}

void UnitGradients::complete() {
  deliver_piece();
  give_back_buffers();
}

void UnitGradients::deliver_alone() {
  for (std::size_t i = 0; i < count(); ++i) {
    const at::Tensor gradient = take(i);
    if (!gradient.defined()) continue;
    const bool is_ours =
        gradient.scalar_type() == at::kFloat && !kept_memory_.defined();
    deliver(i, gradient, is_ours);
  }
  memory_.pool.give_back(std::exchange(kept_memory_, {}));
}

void UnitGradients::deliver_piece() {
  const int64_t marks_begin =
      plan_->trailer_begin(mesh_.reduce().rank()) - plan_->cut().local_begin();
  const at::Tensor marks =
      piece_.narrow(0, marks_begin, static_cast<int64_t>(count())).to(at::kCPU);
  const float* mark = marks.const_data_ptr<float>();
  piece_.narrow(0, 0, marks_begin).mul_(1.0 / mesh_.size());
  for (std::size_t i = 0; i < count(); ++i) {
    if (mark[i] > 0.0F) deliver(i, rows_in(piece_, i), !spare_.defined());
  }
}

// `gradient` itself becomes the rows' gradient if it may be kept and they have none.
void UnitGradients::deliver(std::size_t i, const at::Tensor& gradient, bool may_keep) {
  at::Tensor& rows = parameter(i).rows;
  const at::Tensor addend = gradient.view(rows.sizes());
  at::Tensor& sum = rows.mutable_grad();
  if (sum.defined()) {
    sum.add_(addend);
  } else if (may_keep) {
    sum = addend;
  } else {
    sum = rows_in(own_piece(), i).copy_(addend);
  }
}

at::Tensor UnitGradients::rows_in(const at::Tensor& piece, std::size_t i) const {
  const auto& part = plan_->piece(i, mesh_.reduce().rank());
  return piece.narrow(0, part.message_begin - plan_->cut().local_begin(), part.numel)
      .view(parameter(i).rows.sizes());
}

bool UnitGradients::has_row_gradients() const {
  for (std::size_t i = 0; i < count(); ++i) {
    if (parameter(i).rows.grad().defined()) return true;
  }
  return false;
}

void UnitGradients::discard() {
  for (std::size_t i = 0; i < count(); ++i) (void)take(i);
  memory_.pool.give_back(std::exchange(kept_memory_, {}));
  for (auto* sum : {&first_sum_, &second_sum_}) {
    if (*sum) (*sum)->wait();
    sum->reset();
  }
  give_back_buffers();
}

void UnitGradients::give_back_buffers() {
  piece_.reset();
  memory_.pool.give_back(std::exchange(message_, {}));
  memory_.pool.give_back(std::exchange(spare_, {}));
}

}  // namespace shardopt::distributed
