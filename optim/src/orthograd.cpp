// OrthoGrad: Prieto et al. 2025, arXiv 2501.04697, per tensor as in the authors' code.
#include <cmath>
#include <cstddef>
#include <utility>

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/cat.h>
#include <c10/core/Scalar.h>

#include "shardopt/distributed/communicator.h"
#include "tensor_sums.h"
#include "transform_factories.h"

namespace shardopt::optim {
namespace {

constexpr double kTiny = 1e-30;  // the authors' guard against division by zero
// Of a gradient along the weights only rounding is left, below this share of it.
constexpr double kLeastShare = 1e-6;

/// g_o = g - (<w,g> / <w,w>) w; g <- g_o ||g|| / ||g_o||, over the whole tensor. If
/// ||g_o|| <= 1e-6 ||g|| the gradient becomes 0; with weights of 0, or of one entry
/// (which would never learn), it stays. No state. Collective: two all_reduces.
class OrthoGrad final : public GradientTransform {
 public:
  OrthoGrad(TransformRequest request, distributed::Communicator& ranks)
      : GradientTransform(request.rule.name, std::move(request.parameters), {}),
        ranks_(ranks) {}

 private:
  void transform(GradientTensors& tensors) override {
    std::vector<at::Tensor> rows;   // w
    std::vector<at::Tensor> grads;  // g, then g_o
    for (std::size_t i = 0; i < tensors.grads.size(); ++i) {
      if (tensors.entries[i] <= 1) continue;
      rows.push_back(tensors.rows[i]);
      grads.push_back(tensors.grads[i]);
    }
    if (!grads.empty()) project(rows, grads);
  }

  void project(const std::vector<at::Tensor>& rows,
               const std::vector<at::Tensor>& grads) {
    const std::size_t count = grads.size();
    const std::vector<double> sums =
        sum_over_ranks(at::cat({squared_norms(rows), inner_products(rows, grads),
                                squared_norms(grads)}),
                       &ranks_);  // <w,w>, <w,g>, <g,g> of each
    for (std::size_t i = 0; i < count; ++i) {
      grads[i].add_(rows[i], -sums[count + i] / (sums[i] + kTiny));
    }
    // A second reduction: <g,g> - <w,g>^2 / <w,w> would cancel.
    const std::vector<double> left = sum_over_ranks(squared_norms(grads), &ranks_);
    std::vector<c10::Scalar> factors;
    for (std::size_t i = 0; i < count; ++i) {
      const bool has_weights = sums[i] != 0.0;
      factors.emplace_back(has_weights ? rescale(sums[2 * count + i], left[i]) : 1.0);
    }
    at::_foreach_mul_(grads, factors);
  }

  // ||g|| / ||g_o|| of their squares.
  static double rescale(double before, double after) {
    const double norm = std::sqrt(before);
    const double left = std::sqrt(after);
    return left <= kLeastShare * norm ? 0.0 : norm / (left + kTiny);
  }

  distributed::Communicator& ranks_;
};

}  // namespace

TransformPtr make_orthograd(TransformRequest request, const distributed::Mesh& mesh) {
  read_rule(request.rule, request.place, {});
  return std::make_unique<OrthoGrad>(std::move(request), mesh.shard());
}

}  // namespace shardopt::optim
