#include <algorithm>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include "shardopt/distributed/fully_sharded_unit.h"
#include "shardopt/distributed/mesh.h"
#include "unit_runtime.h"

namespace shardopt::distributed {

ShardedModel::ShardedModel(const Mesh& mesh, ShardingOptions options)
    : mesh_(mesh),
      options_(std::move(options)),
      runtime_(std::make_unique<UnitRuntime>(mesh, options_)) {
  check_packable("ShardingOptions::compute_dtype", options_.compute_dtype);
  TORCH_CHECK(
      options_.reduce_dtype == at::kFloat || options_.reduce_dtype == at::kBFloat16,
      "ShardingOptions::reduce_dtype is ", options_.reduce_dtype,
      "; allowed: fp32, bf16");
}

ShardedModel::~ShardedModel() = default;

// The unit that has this leaf already, or null.
UnitState* ShardedModel::owner_of(const ModelParameter& parameter) const {
  for (const auto& unit : units_) {
    for (const auto& p : unit->state_->storage.parameters()) {
      if (p.leaf.is_same(parameter.leaf)) return unit->state_.get();
      TORCH_CHECK(p.name != parameter.name, "parameter '", p.name, "' is added twice");
    }
  }
  return nullptr;
}

FullyShardedUnit& ShardedModel::add_unit(std::string name,
                                         std::vector<ModelParameter> parameters) {
  std::vector<ModelParameter> own;
  std::vector<UnitState*> tied;
  for (auto& parameter : parameters) {
    UnitState* owner = owner_of(parameter);
    const auto is_leaf = [&](const auto& p) { return p.leaf.is_same(parameter.leaf); };
    const auto is_namesake = [&](const auto& p) { return p.name == parameter.name; };
    if (owner != nullptr) {
      if (std::ranges::find(tied, owner) == tied.end()) tied.push_back(owner);
      const auto& owned = owner->storage.parameters();
      note_tie(std::ranges::find_if(owned, is_leaf)->name, parameter.name);
    } else if (const auto first = std::ranges::find_if(own, is_leaf);
               first != own.end()) {
      note_tie(first->name, parameter.name);
    } else {
      TORCH_CHECK(std::ranges::none_of(own, is_namesake), "parameter '", parameter.name,
                  "' is added twice");
      own.push_back(std::move(parameter));
    }
  }
  auto state = std::make_unique<UnitState>(std::move(name), std::move(own), mesh_,
                                           options_, *runtime_);
  state->working_set.insert(state->working_set.end(), tied.begin(), tied.end());
  runtime_->add(*state);
  units_.push_back(
      std::unique_ptr<FullyShardedUnit>(new FullyShardedUnit(std::move(state))));
  return *units_.back();
}

void ShardedModel::note_tie(const std::string& name, const std::string& other_name) {
  if (name != other_name) tied_names_[name].push_back(other_name);
}

std::vector<std::string> ShardedModel::tied_names(const std::string& name) const {
  const auto it = tied_names_.find(name);
  return it == tied_names_.end() ? std::vector<std::string>{} : it->second;
}

bool ShardedModel::is_scalar(const std::string& name) const {
  return find(name).sizes.empty();
}

std::vector<Parameter> ShardedModel::collect(bool trainable) const {
  std::vector<Parameter> result;
  for (const auto& unit : units_) {
    for (const auto& p : unit->state_->storage.parameters()) {
      if (p.is_trainable != trainable) continue;
      result.push_back({p.name, p.rows, p.shard, p.role});
    }
  }
  return result;
}

std::vector<Parameter> ShardedModel::parameters() const { return collect(true); }

std::vector<Parameter> ShardedModel::frozen_parameters() const {
  return collect(false);
}

void ShardedModel::set_gradient_sync(bool on) { runtime_->set_gradient_sync(on); }

const UnitParameter& ShardedModel::find(const std::string& name) const {
  const UnitParameter* found = nullptr;
  for (const auto& unit : units_) {
    for (const auto& p : unit->state_->storage.parameters()) {
      if (p.name == name) found = &p;
    }
  }
  TORCH_CHECK(found != nullptr, "no unit has a parameter '", name, "'");
  return *found;
}

at::Tensor ShardedModel::whole(const std::string& name) const {
  const c10::InferenceMode normal(false);
  const at::NoGradGuard no_grad;
  const UnitParameter& p = find(name);
  std::vector<int64_t> sizes = p.rows.sizes().vec();
  sizes[0] = p.shard.global_rows();
  at::Tensor result = at::empty(sizes, p.rows.options());
  result.narrow(0, p.shard.local_begin(), p.shard.local_rows()).copy_(p.rows);
  mesh_.shard().all_gather(result, p.shard)->wait();
  return result.view(p.sizes);
}

int64_t ShardedModel::buffer_bytes() const noexcept {
  return runtime_->memory().pool.bytes();
}

int64_t ShardedModel::buffer_allocations() const noexcept {
  return runtime_->memory().pool.allocations();
}

}  // namespace shardopt::distributed
