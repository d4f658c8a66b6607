/// Gradient transforms by name.
#pragma once

#include <string>
#include <vector>

#include "shardopt/core/parameter.h"
#include "shardopt/core/registry.h"
#include "shardopt/distributed/mesh.h"
#include "shardopt/optim/gradient_transform.h"
#include "shardopt/optim/transform_options.h"

namespace shardopt::optim {

/// A transform that a factory is to build.
struct TransformRequest {
  TransformRule rule;
  std::string place;  ///< The rule's, for messages: "transform[2]".
  std::vector<Parameter> parameters;
};

/// Factories read the fields of the rule (options_from); the mesh outlives the
/// transform. They throw ConfigError for a field that they do not have.
using TransformRegistry =
    Registry<GradientTransform, TransformRequest, const distributed::Mesh&>;

/// A registry that holds every transform of this library but `unscale` and
/// `accumulate`, which GradientPipeline does itself. Add your own to it.
[[nodiscard]] TransformRegistry make_transform_registry();

}  // namespace shardopt::optim
