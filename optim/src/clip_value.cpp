// Clamping of every entry of every gradient.
#include <utility>

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_clamp_max.h>
#include <ATen/ops/_foreach_clamp_min.h>
#include <ATen/ops/_foreach_sub.h>

#include "transform_factories.h"

namespace shardopt::optim {
namespace {

/// Entries into [-c, c] (Keras's clipvalue). What is not finite becomes NaN, so that an
/// overflow in a micro-step is still seen in the mean. No state, no communication.
class ClipValue final : public GradientTransform {
 public:
  ClipValue(TransformRequest request, double value)
      : GradientTransform(request.rule.name, std::move(request.parameters), {}),
        value_(value) {}

 private:
  void transform(GradientTensors& tensors) override {
    const auto zeros = at::_foreach_sub(tensors.grads, tensors.grads);  // or NaN
    at::_foreach_clamp_max_(tensors.grads, value_);
    at::_foreach_clamp_min_(tensors.grads, -value_);
    at::_foreach_add_(tensors.grads, zeros);
  }

  double value_;  // c
};

}  // namespace

TransformPtr make_clip_value(TransformRequest request, const distributed::Mesh&) {
  const auto options = options_from<ClipValueOptions>(request.rule, request.place);
  return std::make_unique<ClipValue>(std::move(request), options.value.value());
}

}  // namespace shardopt::optim
