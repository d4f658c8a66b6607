#include "clip_global_norm.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <ATen/ops/_foreach_mul.h>

#include "shardopt/distributed/communicator.h"
#include "shardopt/optim/gradient_norm.h"
#include "tensor_sums.h"
#include "transform_factories.h"

namespace shardopt::optim {
namespace {

// Every gradient becomes NaN with a norm that is not finite, deliberately.
double keras_factor(double norm, double max_norm) {
  if (!std::isfinite(norm)) return std::numeric_limits<double>::quiet_NaN();
  return max_norm / std::max(norm, max_norm);
}

}  // namespace

ClipGlobalNorm::ClipGlobalNorm(TransformRequest request,
                               const ClipGlobalNormOptions& options,
                               distributed::Communicator& ranks)
    : GradientTransform(request.rule.name, std::move(request.parameters), {}),
      max_norm_(options.max_norm.value()),
      form_(options.form),
      ranks_(ranks) {}

void ClipGlobalNorm::apply_with_norm(double norm) {
  known_norm_ = norm;
  apply();
  known_norm_.reset();
}

void ClipGlobalNorm::transform(GradientTensors& tensors) {
  const auto norm_of_all = [&] {
    const at::Tensor square = squared_norms(tensors.grads).sum();
    return std::sqrt(sum_over_ranks(square, &ranks_).front());
  };
  const double norm = known_norm_ ? *known_norm_ : norm_of_all();
  const double factor = form_ == ClipForm::kKeras ? keras_factor(norm, max_norm_)
                                                  : clip_factor(norm, max_norm_);
  if (factor != 1.0) at::_foreach_mul_(tensors.grads, factor);
}

TransformPtr make_clip_global_norm(TransformRequest request,
                                   const distributed::Mesh& mesh) {
  const auto options = options_from<ClipGlobalNormOptions>(request.rule, request.place);
  return std::make_unique<ClipGlobalNorm>(std::move(request), options, mesh.shard());
}

}  // namespace shardopt::optim
