#include "unit_storage.h"

#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StorageImpl.h>

#include "shardopt/core/error.h"
#include "storage_access.h"

namespace shardopt::distributed {
namespace {

constexpr int64_t kAlignmentBytes = 64;  // as LibTorch's CPU allocator

// A tensor of these sizes that has no memory.
at::Tensor make_hollow(at::IntArrayRef sizes, const at::TensorOptions& options) {
  at::Tensor hollow = at::empty({0}, options);
  hollow.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  return hollow;
}

void take_memory_away(UnitParameter& parameter) {
  c10::StorageImpl* storage = parameter.leaf.storage().unsafeGetStorageImpl();
  storage->set_data_ptr_noswap(c10::DataPtr(nullptr, parameter.leaf.device()));
  storage->set_nbytes(0);
  forbid_reading(*storage,
                 "parameter '" + parameter.name +
                     "' is not gathered: it is whole only while its unit runs");
}

void check_leaf(const ModelParameter& parameter) {
  const at::Tensor& leaf = parameter.leaf;
  TORCH_CHECK(leaf.defined() && leaf.is_leaf() && leaf.is_contiguous() &&
                  leaf.scalar_type() == at::kFloat,
              "parameter '", parameter.name,
              "' must be a contiguous fp32 leaf to be sharded");
}

}  // namespace

UnitStorage::UnitStorage(std::vector<ModelParameter> parameters,
                         Communicator& communicator, const ShardingOptions& options,
                         UnitMemory& memory)
    : communicator_(communicator),
      compute_dtype_(options.compute_dtype),
      memory_(memory) {
  const c10::InferenceMode normal(false);
  const at::NoGradGuard no_grad;
  std::vector<ParameterShape> shapes;
  for (const auto& parameter : parameters) {
    check_leaf(parameter);
    shapes.push_back({parameter.name, parameter.leaf.sizes().vec()});
  }
  Cuts cuts = options.layout(shapes, communicator.size());
  TORCH_CHECK(cuts.size() == parameters.size(), "the layout gave ", cuts.size(),
              " cuts for ", parameters.size(), " parameters");
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    adopt(std::move(parameters[i]), std::move(cuts[i]), communicator.rank());
  }
  std::vector<WireTensor> tensors;
  for (const auto& p : parameters_) tensors.push_back({p.shard, p.row_numel});
  plan_ = std::make_unique<WirePlan>(tensors, communicator.rank(), communicator.size(),
                                     /*trailer=*/0);
  fill_master();
  plan_gathered_buffer();
}

void UnitStorage::adopt(ModelParameter parameter, std::vector<int64_t> offsets,
                        int rank) {
  auto& [name, leaf, role] = parameter;
  Shard shard(std::move(offsets), rank);
  const int64_t rows = leaf.dim() == 0 ? 1 : leaf.size(0);
  TORCH_CHECK(shard.global_rows() == rows && shard.ranks() == communicator_.size(),
              "the layout cut '", name, "' into ", shard.global_rows(), " rows over ",
              shard.ranks(), " ranks; it has ", rows, " over ", communicator_.size());
  std::vector<int64_t> sizes = leaf.sizes().vec();
  int64_t row_numel = 1;
  for (int64_t d = 1; d < leaf.dim(); ++d) row_numel *= leaf.size(d);
  const bool is_trainable = leaf.requires_grad();
  parameters_.push_back({std::move(name),
                         std::move(leaf),
                         role,
                         is_trainable,
                         std::move(sizes),
                         row_numel,
                         std::move(shard),
                         {},
                         0});
}

void UnitStorage::fill_master() {
  const at::TensorOptions options =
      at::TensorOptions()
          .dtype(at::kFloat)
          .device(parameters_.empty() ? c10::Device(c10::kCPU)
                                      : parameters_[0].leaf.device());
  const int rank = communicator_.rank();
  const int64_t begin = plan_->cut().local_begin();
  master_ = at::empty({plan_->cut().local_rows()}, options);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    UnitParameter& p = parameters_[i];
    const auto& [message_begin, tensor_begin, numel] = plan_->piece(i, rank);
    std::vector<int64_t> sizes = p.sizes.empty() ? std::vector<int64_t>{1} : p.sizes;
    sizes[0] = p.shard.local_rows();
    const at::Tensor flat = master_.narrow(0, message_begin - begin, numel);
    flat.copy_(p.leaf.detach().view({-1}).narrow(0, tensor_begin, numel));
    p.rows = flat.view(sizes);
    // Before any graph or hook knows the leaf: its dtype may still change.
    p.leaf.set_data(make_hollow(p.sizes, p.leaf.options().dtype(compute_dtype_)));
    take_memory_away(p);
  }
}

void UnitStorage::plan_gathered_buffer() {
  for (auto& p : parameters_) {
    p.gathered_offset = gathered_bytes_;
    const auto bytes = static_cast<int64_t>(p.leaf.numel() * p.leaf.element_size());
    gathered_bytes_ +=
        (bytes + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
  }
}

bool UnitStorage::is_master_the_leaf() const {
  return communicator_.size() == 1 && compute_dtype_ == at::kFloat;
}

void UnitStorage::start_gather() {
  if (!is_released()) return;
  const c10::InferenceMode normal(false);
  const at::NoGradGuard no_grad;
  gathered_version_ = version();
  is_gathering_ = true;
  if (communicator_.size() == 1) return;
  const auto element_bytes = static_cast<int64_t>(c10::elementSize(compute_dtype_));
  message_ = memory_.pool.acquire(plan_->numel() * element_bytes);
  at::Tensor message = view_as(message_, compute_dtype_, plan_->numel());
  const Shard& cut = plan_->cut();
  message.narrow(0, cut.local_begin(), cut.local_rows()).copy_(master_);
  work_ = communicator_.all_gather(message, cut);
}

void UnitStorage::finish_gather() {
  if (is_gathered_) return;
  const c10::InferenceMode normal(false);
  const at::NoGradGuard no_grad;
  start_gather();
  if (work_) work_->wait();
  work_.reset();
  if (is_master_the_leaf()) {
    for (UnitParameter& p : parameters_) point_leaf(p, p.rows.mutable_data_ptr());
  } else {
    fill_gathered();
  }
  memory_.pool.give_back(std::exchange(message_, {}));
  is_gathering_ = false;
  is_gathered_ = true;
}

void UnitStorage::point_leaf(UnitParameter& p, void* data) {
  c10::StorageImpl* storage = p.leaf.storage().unsafeGetStorageImpl();
  allow_reading(*storage);
  storage->set_data_ptr_noswap(c10::DataPtr(data, p.leaf.device()));
  storage->set_nbytes(p.leaf.numel() * p.leaf.element_size());
}

// Writes through the buffer, never through the leaf: autograd counts writes to that.
void UnitStorage::fill_gathered() {
  const bool is_whole = communicator_.size() == 1;  // then nothing was sent
  const at::ScalarType from = is_whole ? at::kFloat : compute_dtype_;
  const at::Tensor& message = is_whole ? master_ : message_;
  gathered_ = memory_.pool.acquire(gathered_bytes_);
  const auto* source = static_cast<const char*>(message.const_data_ptr());
  auto* destination = static_cast<char*>(gathered_.mutable_data_ptr());
  const auto from_bytes = static_cast<int64_t>(c10::elementSize(from));
  const auto to_bytes = static_cast<int64_t>(c10::elementSize(compute_dtype_));
  std::vector<PackRun> runs;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    char* const whole = destination + parameters_[i].gathered_offset;
    point_leaf(parameters_[i], whole);
    for (int rank = 0; rank < communicator_.size(); ++rank) {
      const auto& [message_begin, tensor_begin, numel] = plan_->piece(i, rank);
      runs.push_back({source + message_begin * from_bytes,
                      whole + tensor_begin * to_bytes, numel});
    }
  }
  memory_.pack(runs, from, compute_dtype_);
}

void UnitStorage::release() {
  if (is_gathering_ && work_) work_->wait();
  work_.reset();
  is_gathering_ = false;
  memory_.pool.give_back(std::exchange(message_, {}));
  if (!is_gathered_) return;
  for (UnitParameter& p : parameters_) take_memory_away(p);
  memory_.pool.give_back(std::exchange(gathered_, {}));
  is_gathered_ = false;
}

}  // namespace shardopt::distributed
