#include "shardopt/optim/muon.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <memory>
#include <utility>

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/stack.h>

#include "muon_split.h"
#include "shardopt/core/newton_schulz.h"
#include "shardopt/optim/adamw.h"

namespace shardopt::optim {
namespace {

constexpr char kMomentum[] = "momentum";

struct MatrixShape {
  int64_t rows;
  int64_t cols;
  auto operator<=>(const MatrixShape&) const = default;
};

// Of the local rows, flattened.
MatrixShape matrix_shape(const at::Tensor& rows) {
  int64_t cols = 1;
  for (const int64_t size : rows.sizes().slice(1)) cols *= size;
  return {rows.size(0), cols};
}

double scale(const MatrixShape& shape, const MuonOptions& options) {
  const auto rows = static_cast<double>(shape.rows);
  const auto cols = static_cast<double>(std::max<int64_t>(shape.cols, 1));
  switch (options.scale) {
    case MuonScale::kAspectFlat:
      return std::sqrt(std::max(1.0, rows / cols));
    case MuonScale::kRms:
      return options.rms * std::sqrt(std::max(rows, cols));
  }
  TORCH_INTERNAL_ASSERT(false, "unnamed MuonScale");
}

// Newton-Schulz of each direction, scaled, one batch for each shape.
std::vector<at::Tensor> orthogonalized(const std::vector<at::Tensor>& directions,
                                       const MuonOptions& options) {
  std::map<MatrixShape, std::vector<std::size_t>> by_shape;
  for (std::size_t i = 0; i < directions.size(); ++i) {
    by_shape[matrix_shape(directions[i])].push_back(i);
  }
  std::vector<at::Tensor> result(directions.size());
  for (const auto& [shape, members] : by_shape) {
    std::vector<at::Tensor> matrices;
    for (const std::size_t i : members) {
      matrices.push_back(directions[i].reshape({shape.rows, shape.cols}));
    }
    const at::Tensor updates =
        newton_schulz(at::stack(matrices),
                      {.steps = options.steps, .eps = options.ns_eps})
            .mul(scale(shape, options));  // [members, rows, cols]
    for (std::size_t k = 0; k < members.size(); ++k) {
      const std::size_t i = members[k];
      result[i] =
          updates.select(0, static_cast<int64_t>(k)).reshape(directions[i].sizes());
    }
  }
  return result;
}

}  // namespace

Muon::Muon(std::vector<ParamGroup<MuonOptions>> groups)
    : Muon(split_for_muon(std::move(groups))) {}

Muon::Muon(MuonSplit split)
    : GroupedOptimizer("muon", std::move(split.muon), {kMomentum}) {
  add_child("adamw", std::make_unique<AdamW>(std::move(split.adamw)));
}

void Muon::update(GroupTensors& tensors, const MuonOptions& options) const {
  const std::vector<at::Tensor>& momentum = tensors.slots.at(kMomentum);  // m
  at::_foreach_mul_(momentum, options.momentum);
  at::_foreach_add_(momentum, tensors.grads);
  const std::vector<at::Tensor> directions =  // u
      options.nesterov ? at::_foreach_add(tensors.grads, momentum, options.momentum)
                       : momentum;
  const std::vector<at::Tensor> updates = orthogonalized(directions, options);  // O
  at::_foreach_mul_(tensors.rows, 1.0 - options.lr * options.weight_decay);
  at::_foreach_add_(tensors.rows, updates, -options.lr);
}

}  // namespace shardopt::optim
