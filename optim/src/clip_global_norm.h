/// Clipping of all gradients by their norm together.
#pragma once

#include <optional>

#include "shardopt/optim/gradient_transform.h"
#include "shardopt/optim/transform_options.h"
#include "shardopt/optim/transform_registry.h"

namespace shardopt::distributed {
class Communicator;
}

namespace shardopt::optim {

/// g <- g c / max(N, c), or torch's form (clip_factor), where N is the norm of all
/// gradients together. No state. Collective: one all_reduce, none if N is known.
class ClipGlobalNorm final : public GradientTransform {
 public:
  ClipGlobalNorm(TransformRequest request, const ClipGlobalNormOptions& options,
                 distributed::Communicator& ranks);

  /// As `apply`, for gradients whose norm over all ranks is `norm`.
  void apply_with_norm(double norm);

 private:
  void transform(GradientTensors& tensors) override;

  double max_norm_;  // c
  ClipForm form_;
  distributed::Communicator& ranks_;
  std::optional<double> known_norm_;
};

}  // namespace shardopt::optim
