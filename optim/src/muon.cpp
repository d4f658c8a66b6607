#include "shardopt/optim/muon.h"

#include <memory>
#include <utility>

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>

#include "adam_moments.h"
#include "muon_split.h"
#include "orthogonalize.h"
#include "take_step.h"

namespace shardopt::optim {
namespace {

constexpr char kMomentum[] = "momentum";

std::vector<Slot> slots_of(const MuonOptions& options) {
  std::vector<Slot> slots = {{kMomentum}};
  if (options.normuon) {
    slots.push_back({kRowMoment, [flatten = options.flatten](const at::Tensor& rows) {
                       return row_shape(rows, flatten);
                     }});
  }
  return slots;
}

// u of the form that corrects its bias.
Tensors bias_corrected(const GroupTensors& tensors, const Tensors& m,
                       const MuonOptions& options) {
  const double b = options.momentum;
  if (!options.nesterov) return at::_foreach_mul(m, inverse_biases(b, tensors.steps));
  return mixed(tensors, m, [&](int64_t t) { return next_step_weights(b, t); });
}

// Updates m, and returns u.
Tensors directions_of(const GroupTensors& tensors, const Tensors& m,
                      const MuonOptions& options) {
  const double b = options.momentum;
  const Tensors& g = tensors.grads;
  if (options.momentum_form == MomentumForm::kHeavyBall) {
    at::_foreach_mul_(m, b);
    at::_foreach_add_(m, g);
  } else {
    at::_foreach_lerp_(m, g, 1.0 - b);
  }
  if (options.momentum_form == MomentumForm::kOptax) {
    return bias_corrected(tensors, m, options);
  }
  if (!options.nesterov) return m;
  if (options.momentum_form == MomentumForm::kEma) return at::_foreach_lerp(g, m, b);
  return at::_foreach_add(g, m, b);
}

}  // namespace

Muon::Muon(std::vector<ParamGroup<MuonOptions>> groups)
    : Muon(split_for_muon(std::move(groups))) {}

Muon::Muon(MuonSplit split)
    : GroupedOptimizer("muon", std::move(split.muon), slots_of),
      blocks_(std::move(split.blocks)) {
  const std::string name = split.internal->kind();
  add_child(name, std::move(split.internal));
}

void Muon::update(GroupTensors& tensors, const MuonOptions& options,
                  ScalarSums& sums) const {
  const Tensors& m = tensors.slots.at(kMomentum);
  Tensors directions = directions_of(tensors, m, options);  // u
  if (options.caution_stage == CautionStage::kAfter || !options.rules.caution) {
    Tensors updates = orthogonalized(tensors, directions, options, blocks_);  // O
    return take_step(tensors, std::move(updates), step_size(options), options.rules,
                     kCautionEps, sums);
  }
  with_caution(tensors, std::move(directions), m, options.rules, kCautionEps, sums,
               [this, &tensors, &options](const Tensors& u) {
                 const Tensors updates = orthogonalized(tensors, u, options, blocks_);
                 move_rows(tensors, updates, step_size(options), options.rules);
               });
}

}  // namespace shardopt::optim
