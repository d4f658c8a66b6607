// One step of AdamW on a plain tensor, in a project that uses Torch's own package too.
#include <cstdio>

#include <ATen/ATen.h>

#include "shardopt/optim/build_optimizer.h"

int main() {
  const auto mesh = shardopt::distributed::make_single_mesh();
  at::Tensor weight = at::ones({2, 3});
  weight.mutable_grad() = at::ones({2, 3});
  const auto optimizer =
      shardopt::optim::build_optimizer({{"weight", weight, shardopt::Shard({0, 2}, 0)}},
                                       {.lr = 0.5, .weight_decay = 0.0}, mesh);
  optimizer->step();  // AdamW's first step moves by lr
  std::printf("%s\n", c10::str(weight).c_str());
  return at::allclose(weight, at::full({2, 3}, 0.5)) ? 0 : 1;
}
