/// FSDP: parameters that are whole only while their block of the model works.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/core/parameter.h"
#include "shardopt/distributed/sharding_options.h"

namespace shardopt::distributed {

class FullyShardedUnit;
class Mesh;
class UnitRuntime;
struct UnitParameter;
struct UnitState;

/// The units of one model, over the ranks of a mesh.
///
/// Contract: every rank adds the same units and runs them in the same order, in
/// forward and in backward; which parameters of a unit get a gradient may differ
/// between ranks. Gradients are averaged over ranks. Parameters change only between
/// steps: not between a forward and its backward (ShardingError at that backward).
///
/// HSDP: parameters are cut over the mesh's shard group, each copy of the model holding
/// all of them; gradients are averaged over the world. Every copy gets the same bits.
///
/// Memory per rank: fp32 master rows and fp32 gradient rows, and buffers that stay:
/// the unit at work and the next one gathered or on its way, and one of gradients on
/// theirs. In backward also the whole gradients of the unit at work, and what arrives
/// of those that were sent last. From the third step on nothing is allocated for any
/// buffer, as long as units run in the same order.
///
/// Thread safety: none. Outlives what is run through it; the mesh outlives this.
class ShardedModel {
 public:
  /// Throws c10::Error if a dtype of the options is not allowed.
  explicit ShardedModel(const Mesh& mesh, ShardingOptions options = {});
  ~ShardedModel();
  ShardedModel(const ShardedModel&) = delete;
  ShardedModel& operator=(const ShardedModel&) = delete;

  /// Cuts `parameters` (fp32 leaves with their values, the same on every rank): keeps
  /// this rank's rows, frees the leaves' memory. A leaf that an earlier unit has is
  /// tied: it stays that unit's, which is gathered whenever this one is.
  /// Throws c10::Error if a name is taken, a leaf is no contiguous fp32 leaf, or the
  /// layout's cut does not fit. Local: no communication.
  FullyShardedUnit& add_unit(std::string name, std::vector<ModelParameter> parameters);

  /// Trainable ones, in the order in which they were added. `rows.grad()` is the
  /// average over ranks once backward has returned; undefined if no rank had one.
  [[nodiscard]] std::vector<Parameter> parameters() const;
  [[nodiscard]] std::vector<Parameter> frozen_parameters() const;

  /// Other names under which units were given this parameter's leaf.
  [[nodiscard]] std::vector<std::string> tied_names(const std::string& name) const;
  /// Whether the parameter is 0-d. Throws c10::Error if there is none of that name.
  [[nodiscard]] bool is_scalar(const std::string& name) const;

  /// While off, backward keeps gradients whole and fp32 on each rank instead of
  /// reducing them; the next backward with it on reduces their sum.
  void set_gradient_sync(bool on);

  /// The whole of one parameter, fp32, in its own shape. Collective over a copy's
  /// ranks. Throws c10::Error if there is none of that name.
  [[nodiscard]] at::Tensor whole(const std::string& name) const;

  /// Bytes held for leaves and messages: the most that was ever needed at once.
  [[nodiscard]] int64_t buffer_bytes() const noexcept;
  /// How often memory was allocated for these, or for gradient rows.
  [[nodiscard]] int64_t buffer_allocations() const noexcept;

 private:
  [[nodiscard]] std::vector<Parameter> collect(bool trainable) const;
  [[nodiscard]] UnitState* owner_of(const ModelParameter& parameter) const;
  void note_tie(const std::string& name, const std::string& other_name);
  [[nodiscard]] const UnitParameter& find(const std::string& name) const;

  const Mesh& mesh_;
  ShardingOptions options_;
  std::unique_ptr<UnitRuntime> runtime_;
  std::vector<std::unique_ptr<FullyShardedUnit>> units_;
  std::map<std::string, std::vector<std::string>> tied_names_;
};

/// A block of a model whose parameters are gathered for its forward and its backward.
///
/// Works with: autograd off (no_grad, InferenceMode) in between, several forwards
/// before their backwards, several calls in one forward, retained graphs, in-place
/// use of outputs, parameters that get no gradient. Outside, reading a leaf is an
/// error that names it.
class FullyShardedUnit {
 public:
  using Tensors = std::vector<at::Tensor>;

  FullyShardedUnit(const FullyShardedUnit&) = delete;
  FullyShardedUnit& operator=(const FullyShardedUnit&) = delete;
  ~FullyShardedUnit();

  [[nodiscard]] const std::string& name() const noexcept;

  /// Calls `forward` with the parameters whole, and returns what it returns.
  /// `inputs` are the tensors that `forward` computes from: the gradients of those
  /// that require one tell when a frozen unit's backward is over. Collective.
  Tensors run(std::span<const at::Tensor> inputs,
              const std::function<Tensors()>& forward);

  /// The same for one output.
  at::Tensor run_one(const at::Tensor& input,
                     const std::function<at::Tensor()>& forward);

  /// Whether the leaves can be read now.
  [[nodiscard]] bool is_gathered() const noexcept;

 private:
  friend class ShardedModel;
  explicit FullyShardedUnit(std::unique_ptr<UnitState> state);
  std::unique_ptr<UnitState> state_;
};

}  // namespace shardopt::distributed
