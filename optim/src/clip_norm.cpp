// Clipping of each parameter's gradient by its own norm.
#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/ops/_foreach_mul.h>
#include <c10/core/Scalar.h>

#include "shardopt/distributed/communicator.h"
#include "tensor_sums.h"
#include "transform_factories.h"

namespace shardopt::optim {
namespace {

/// g <- g c / max(||g||, c), the norm that of the whole tensor (Keras's clipnorm).
/// No state. Collective: one all_reduce.
class ClipNorm final : public GradientTransform {
 public:
  ClipNorm(TransformRequest request, double max_norm, distributed::Communicator& ranks)
      : GradientTransform(request.rule.name, std::move(request.parameters), {}),
        max_norm_(max_norm),
        ranks_(ranks) {}

 private:
  void transform(GradientTensors& tensors) override {
    std::vector<c10::Scalar> factors;
    for (const double square : sum_over_ranks(squared_norms(tensors.grads), &ranks_)) {
      // A norm that is NaN stays so: max gives its first argument then.
      factors.emplace_back(max_norm_ / std::max(std::sqrt(square), max_norm_));
    }
    at::_foreach_mul_(tensors.grads, factors);
  }

  double max_norm_;  // c
  distributed::Communicator& ranks_;
};

}  // namespace

TransformPtr make_clip_norm(TransformRequest request, const distributed::Mesh& mesh) {
  const auto options = options_from<ClipNormOptions>(request.rule, request.place);
  return std::make_unique<ClipNorm>(std::move(request), options.max_norm.value(),
                                    mesh.shard());
}

}  // namespace shardopt::optim
