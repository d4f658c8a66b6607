/// Factories of the transforms of this library; make_transform_registry adds them.
#pragma once

#include <memory>

#include "shardopt/optim/gradient_transform.h"
#include "shardopt/optim/transform_registry.h"

namespace shardopt::optim {

using TransformPtr = std::unique_ptr<GradientTransform>;

[[nodiscard]] TransformPtr make_clip_norm(TransformRequest request,
                                          const distributed::Mesh& mesh);
[[nodiscard]] TransformPtr make_clip_global_norm(TransformRequest request,
                                                 const distributed::Mesh& mesh);
[[nodiscard]] TransformPtr make_clip_value(TransformRequest request,
                                           const distributed::Mesh& mesh);
[[nodiscard]] TransformPtr make_grokfast_ema(TransformRequest request,
                                             const distributed::Mesh& mesh);
[[nodiscard]] TransformPtr make_grokfast_ma(TransformRequest request,
                                            const distributed::Mesh& mesh);
[[nodiscard]] TransformPtr make_orthograd(TransformRequest request,
                                          const distributed::Mesh& mesh);

}  // namespace shardopt::optim
