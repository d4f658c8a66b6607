#include "orthogonalize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <utility>

#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_vector_norm.h>

#include "matrix_view.h"
#include "shardopt/core/coefficients.h"
#include "shardopt/core/newton_schulz.h"

namespace shardopt::optim {
namespace {

// Matrices of one parameter, and one shape.
struct Piece {
  std::size_t parameter;
  at::Tensor u;           // [batch, rows, cols]
  at::Tensor row_moment;  // [batch, rows], shared with the slot; undefined: none.
};

std::optional<at::ScalarType> compute_dtype(NsDtype dtype) {
  switch (dtype) {
    case NsDtype::kParameter:
      return std::nullopt;
    case NsDtype::kFp32:
      return at::kFloat;
    case NsDtype::kBf16:
      return at::kBFloat16;
    case NsDtype::kFp16:
      return at::kHalf;
  }
  TORCH_INTERNAL_ASSERT(false, "unnamed NsDtype");
}

NewtonSchulzOptions newton_schulz_options(const MuonOptions& options) {
  return {.steps = options.coefficient_rows.empty()
                       ? coefficient_steps(options.coefficients, options.steps)
                       : parse_coefficients(options.coefficient_rows),
          .normaliser = options.normaliser,
          .eps = options.ns_eps,
          .compute_dtype = compute_dtype(options.ns_dtype)};
}

double aspect(int64_t rows, int64_t cols) {
  return std::sqrt(std::max(1.0, static_cast<double>(rows) /
                                     static_cast<double>(std::max<int64_t>(cols, 1))));
}

// Of a parameter's matrices of this shape.
double scale(const Parameter& parameter, const MatrixShape& shape,
             const MuonOptions& options) {
  const auto& [rows, cols] = shape;
  const at::IntArrayRef sizes = parameter.rows.sizes();
  const bool is_matrix = sizes.size() == 2;  // The shape knows of pieces and blocks.
  switch (options.scale) {
    case MuonScale::kAspect:
      return is_matrix ? aspect(rows, cols)
                       : aspect(sizes[sizes.size() - 2], sizes[sizes.size() - 1]);
    case MuonScale::kAspect01:
      return is_matrix ? aspect(rows, cols)
                       : aspect(parameter.shard.global_rows(), sizes[1]);
    case MuonScale::kAspectFlat:
    case MuonScale::kOptax:
      return aspect(rows, cols);
    case MuonScale::kRms:
      return options.rms * std::sqrt(static_cast<double>(std::max(rows, cols)));
    case MuonScale::kNone:
      return 1.0;
  }
  TORCH_INTERNAL_ASSERT(false, "unnamed MuonScale");
}

std::vector<Piece> pieces_of(GroupTensors& tensors, const Tensors& directions,
                             const MuonOptions& options, const RowBlocks& blocks) {
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < directions.size(); ++i) {
    const at::Tensor matrices = as_matrices(directions[i], options.flatten);
    const auto own = blocks.find(tensors.parameters[i]->name);
    const std::vector<int64_t> rows =
        own == blocks.end() ? std::vector<int64_t>{matrices.size(1)} : own->second;
    at::Tensor moment;
    if (options.normuon) {
      moment = tensors.slots.at(kRowMoment)[i].view(matrices.sizes().slice(0, 2));
    }
    int64_t first = 0;
    for (const int64_t count : rows) {
      Piece piece{i, matrices.narrow(1, first, count), {}};
      if (moment.defined()) piece.row_moment = moment.narrow(1, first, count);
      pieces.push_back(std::move(piece));
      first += count;
    }
  }
  return pieces;
}

// O / (sqrt(v) + eps) with the norm of O, v the mean of squares of each row over time.
at::Tensor row_normalised(const at::Tensor& o, const std::vector<Piece*>& pieces,
                          const MuonOptions& options) {
  const at::Tensor squares = o.square().mean(-1);  // [batch, rows]
  int64_t first = 0;
  Tensors moments;
  for (const Piece* piece : pieces) {
    const int64_t count = piece->u.size(0);
    piece->row_moment.lerp_(squares.narrow(0, first, count),
                            1.0 - options.normuon_beta2);
    moments.push_back(piece->row_moment);
    first += count;
  }
  const at::Tensor divisor = at::cat(moments).sqrt().add(options.normuon_eps);
  const at::Tensor rows = o.div(divisor.unsqueeze(-1));
  const auto norm = [](const at::Tensor& x) {
    return at::linalg_vector_norm(x, 2, at::IntArrayRef({1, 2}), /*keepdim=*/true);
  };
  return rows.mul(norm(o).div(norm(rows).clamp_min(options.normuon_eps)));
}

// <u, O> of each matrix, clipped as the options say.  // [batch, 1, 1]
at::Tensor adaptive_factor(const at::Tensor& u, const at::Tensor& o,
                           const Adaptive adaptive) {
  at::Tensor product = u.mul(o).sum(at::IntArrayRef({1, 2}), /*keepdim=*/true);
  if (adaptive == Adaptive::kClip01) product.clamp_(0.0, 1.0);
  if (adaptive == Adaptive::kClip11) product.clamp_(-1.0, 1.0);
  return product;
}

// Updates of matrices of one shape, in their order.
Tensors orthogonalize_batch(const GroupTensors& tensors, const MatrixShape& shape,
                            const std::vector<Piece*>& pieces,
                            const MuonOptions& options,
                            const NewtonSchulzOptions& newton_schulz_options) {
  Tensors matrices;
  for (const Piece* piece : pieces) matrices.push_back(piece->u);
  const at::Tensor u = at::cat(matrices);
  const at::Tensor o = newton_schulz(u, newton_schulz_options);
  at::Tensor updates = o;
  if (options.normuon && o.numel() > 0) updates = row_normalised(o, pieces, options);
  if (options.adaptive != Adaptive::kOff) {
    updates = updates.mul(adaptive_factor(u, o, options.adaptive));
  }
  Tensors result;
  int64_t first = 0;
  for (const Piece* piece : pieces) {
    const double factor = options.scale_constant *
                          scale(*tensors.parameters[piece->parameter], shape, options);
    const int64_t count = piece->u.size(0);
    result.push_back(updates.narrow(0, first, count).mul(factor));
    first += count;
  }
  return result;
}

}  // namespace

std::vector<int64_t> row_shape(const at::Tensor& rows, Flatten flatten) {
  const at::IntArrayRef sizes = rows.sizes();
  if (!is_batched(rows.dim(), flatten)) return {sizes[0]};
  return sizes.slice(0, sizes.size() - 1).vec();
}

Tensors orthogonalized(GroupTensors& tensors, const Tensors& directions,
                       const MuonOptions& options, const RowBlocks& blocks) {
  std::vector<Piece> pieces = pieces_of(tensors, directions, options, blocks);
  std::map<MatrixShape, std::vector<Piece*>> by_shape;
  for (Piece& piece : pieces) {
    by_shape[{piece.u.size(1), piece.u.size(2)}].push_back(&piece);
  }
  const NewtonSchulzOptions how = newton_schulz_options(options);
  for (const auto& [shape, members] : by_shape) {
    const Tensors updates = orthogonalize_batch(tensors, shape, members, options, how);
    for (std::size_t k = 0; k < members.size(); ++k) members[k]->u = updates[k];
  }
  std::vector<Tensors> parts(directions.size());  // By parameter, in order of rows.
  for (Piece& piece : pieces) parts[piece.parameter].push_back(std::move(piece.u));
  Tensors result;
  for (std::size_t i = 0; i < directions.size(); ++i) {
    const at::Tensor whole = parts[i].size() == 1 ? parts[i][0] : at::cat(parts[i], 1);
    result.push_back(from_matrices(whole, directions[i].sizes(), options.flatten));
  }
  return result;
}

}  // namespace shardopt::optim
