#include "unit_gradients.h"

#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

namespace shardopt::distributed {

UnitGradients::UnitGradients(UnitStorage& storage, Communicator& communicator,
                             at::ScalarType reduce_dtype, BufferPool& pool)
    : storage_(storage),
      communicator_(communicator),
      reduce_dtype_(reduce_dtype),
      pool_(pool) {
  std::vector<WireTensor> tensors;
  for (std::size_t i = 0; i < storage.parameters().size(); ++i) {
    const UnitParameter& p = storage.parameters()[i];
    if (!p.is_trainable) continue;
    trainable_.push_back(i);
    tensors.push_back({p.shard, p.row_numel});
  }
  kept_.resize(trainable_.size());
  plan_ = std::make_unique<WirePlan>(tensors, communicator.rank(), communicator.size(),
                                     static_cast<int64_t>(trainable_.size()));
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

void UnitGradients::keep() {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < count(); ++i) {
    const at::Tensor gradient = take(i);
    if (gradient.defined()) kept_[i] = gradient.to(at::kFloat);
  }
}

void UnitGradients::start_reduction() {
  if (communicator_.size() == 1 || count() == 0) return;
  const c10::InferenceMode normal(false);
  const at::NoGradGuard no_grad;
  const auto element_bytes = static_cast<int64_t>(c10::elementSize(reduce_dtype_));
  message_ = pool_.acquire(plan_->numel() * element_bytes);
  at::Tensor message = view_as(message_, reduce_dtype_, plan_->numel());
  for (std::size_t i = 0; i < count(); ++i) pack(i, take(i), message);

  const int64_t numel = plan_->cut().local_rows();
  if (has_row_gradients()) {
    spare_ = pool_.acquire(numel * static_cast<int64_t>(sizeof(float)));
    piece_ = view_as(spare_, at::kFloat, numel);
  } else {
    if (!own_piece_.defined()) {
      own_piece_ = at::empty({numel}, message.options().dtype(at::kFloat));
    }
    piece_ = own_piece_;
  }
  work_ = communicator_.reduce_scatter(message, piece_, plan_->cut());
}

// Every rank's rows, and on every rank our mark.
void UnitGradients::pack(std::size_t i, const at::Tensor& gradient,
                         at::Tensor& message) {
  at::Tensor flat;
  if (gradient.defined()) flat = gradient.reshape({-1});
  const auto mark = static_cast<int64_t>(i);
  for (int rank = 0; rank < communicator_.size(); ++rank) {
    const auto& [message_begin, tensor_begin, numel] = plan_->piece(i, rank);
    at::Tensor rows = message.narrow(0, message_begin, numel);
    if (flat.defined()) {
      rows.copy_(flat.narrow(0, tensor_begin, numel));
    } else {
      rows.zero_();
    }
    message.narrow(0, plan_->trailer_begin(rank) + mark, 1).fill_(flat.defined());
  }
}

void UnitGradients::finish_reduction() {
  const at::NoGradGuard no_grad;
  if (communicator_.size() == 1) {
    for (std::size_t i = 0; i < count(); ++i) {
      const at::Tensor gradient = take(i);
      if (gradient.defined()) deliver(i, gradient.to(at::kFloat));
    }
    return;
  }
  if (!work_) return;
  work_->wait();
  work_.reset();
  const Shard& cut = plan_->cut();
  const int rank = communicator_.rank();
  const int64_t begin = cut.local_begin();
  const at::Tensor marks =
      piece_
          .narrow(0, plan_->trailer_begin(rank) - begin, static_cast<int64_t>(count()))
          .to(at::kCPU);
  const float* mark = marks.const_data_ptr<float>();
  piece_.mul_(1.0 / communicator_.size());
  for (std::size_t i = 0; i < count(); ++i) {
    const auto& piece = plan_->piece(i, rank);
    if (mark[i] > 0.0F) {
      deliver(i, piece_.narrow(0, piece.message_begin - begin, piece.numel));
    }
  }
  piece_.reset();
  pool_.give_back(std::exchange(message_, {}));
  pool_.give_back(std::exchange(spare_, {}));
}

void UnitGradients::deliver(std::size_t i, const at::Tensor& rows_gradient) {
  at::Tensor& rows = parameter(i).rows;
  const at::Tensor gradient = rows_gradient.view(rows.sizes());
  at::Tensor& sum = rows.mutable_grad();
  if (sum.defined()) {
    sum.add_(gradient);
  } else {
    sum = spare_.defined() ? gradient.clone() : gradient;
  }
}

bool UnitGradients::has_row_gradients() const {
  for (std::size_t i = 0; i < count(); ++i) {
    if (parameter(i).rows.grad().defined()) return true;
  }
  return false;
}

void UnitGradients::discard() {
  for (std::size_t i = 0; i < count(); ++i) (void)take(i);
  if (work_) work_->wait();
  work_.reset();
  piece_.reset();
  pool_.give_back(std::exchange(message_, {}));
  pool_.give_back(std::exchange(spare_, {}));
}

}  // namespace shardopt::distributed
