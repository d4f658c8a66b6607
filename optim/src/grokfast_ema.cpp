// GrokFast with an exponential moving average: Lee et al. 2024, arXiv 2405.20233.
#include <cstddef>
#include <utility>

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>

#include "transform_factories.h"

namespace shardopt::optim {
namespace {

constexpr char kAverage[] = "average";

/// e <- alpha e + (1 - alpha) g; g <- g + lamb e. State: one slot, "average".
/// Elementwise: no communication, whatever the cut.
class GrokFastEma final : public GradientTransform {
 public:
  GrokFastEma(TransformRequest request, const GrokFastEmaOptions& options)
      : GradientTransform(request.rule.name, std::move(request.parameters),
                          {{kAverage}}),
        options_(options) {}

 private:
  void transform(GradientTensors& tensors) override {
    const std::vector<at::Tensor>& average = tensors.slots.at(kAverage);  // e
    if (options_.init == EmaInit::kFirst) seed(tensors, average);
    at::_foreach_lerp_(average, tensors.grads, 1.0 - options_.alpha);
    at::_foreach_add_(tensors.grads, average, options_.lamb);
  }

  // The first gradient of a parameter, averaged with itself below, is its average.
  static void seed(const GradientTensors& tensors,
                   const std::vector<at::Tensor>& average) {
    for (std::size_t i = 0; i < average.size(); ++i) {
      if (tensors.steps[i] == 1) average[i].copy_(tensors.grads[i]);
    }
  }

  GrokFastEmaOptions options_;
};

}  // namespace

TransformPtr make_grokfast_ema(TransformRequest request, const distributed::Mesh&) {
  const auto options = options_from<GrokFastEmaOptions>(request.rule, request.place);
  return std::make_unique<GrokFastEma>(std::move(request), options);
}

}  // namespace shardopt::optim
