// GrokFast with a window of gradients: Lee et al. 2024, arXiv 2405.20233.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "transform_factories.h"

namespace shardopt::optim {
namespace {

constexpr char kQueue[] = "queue";

Slot queue_of(int64_t window) {
  return {kQueue, [window](const at::Tensor& rows) {
            std::vector<int64_t> sizes = rows.sizes().vec();
            sizes.insert(sizes.begin() + 1, window);
            return sizes;  // [rows, window, *]: rows first, so that they can be cut
          }};
}

/// g <- g + lamb mean(queue), or sum, of the last `window` gradients, g included. Until
/// the queue is full g stays if there is a warm-up, for ever if there is a trigger too.
/// State: one slot, "queue", a ring. Elementwise: no communication, whatever the cut.
class GrokFastMa final : public GradientTransform {
 public:
  GrokFastMa(TransformRequest request, const GrokFastMaOptions& options)
      : GradientTransform(request.rule.name, std::move(request.parameters),
                          {queue_of(options.window)}),
        options_(options) {}

 private:
  void transform(GradientTensors& tensors) override {
    const std::vector<at::Tensor>& queues = tensors.slots.at(kQueue);
    for (std::size_t i = 0; i < queues.size(); ++i) {
      const int64_t place = (tensors.steps[i] - 1) % options_.window;
      queues[i].select(1, place).copy_(tensors.grads[i]);
      if (applies(tensors.steps[i])) add_window(tensors, i, queues[i]);
    }
  }

  [[nodiscard]] bool applies(int64_t steps) const {
    if (!options_.warmup) return true;
    return steps >= options_.window && !options_.trigger;
  }

  // Places of the ring that are still free hold zeros.
  void add_window(GradientTensors& tensors, std::size_t i,
                  const at::Tensor& queue) const {
    const auto held = static_cast<double>(std::min(tensors.steps[i], options_.window));
    const bool is_mean = options_.filter == WindowFilter::kMean;
    tensors.grads[i].add_(queue.sum(1), is_mean ? options_.lamb / held : options_.lamb);
  }

  GrokFastMaOptions options_;
};

}  // namespace

TransformPtr make_grokfast_ma(TransformRequest request, const distributed::Mesh&) {
  const auto options = options_from<GrokFastMaOptions>(request.rule, request.place);
  return std::make_unique<GrokFastMa>(std::move(request), options);
}

}  // namespace shardopt::optim
