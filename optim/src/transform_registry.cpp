#include "shardopt/optim/transform_registry.h"

#include "transform_factories.h"

namespace shardopt::optim {

TransformRegistry make_transform_registry() {
  TransformRegistry registry("transform");
  registry.add("clip_global_norm", make_clip_global_norm);
  registry.add("clip_norm", make_clip_norm);
  registry.add("clip_value", make_clip_value);
  registry.add("grokfast_ema", make_grokfast_ema);
  registry.add("grokfast_ma", make_grokfast_ma);
  registry.add("orthograd", make_orthograd);
  return registry;
}

}  // namespace shardopt::optim
