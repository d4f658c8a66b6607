#include "shardopt/optim/lion.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"

namespace shardopt::optim {
namespace {

// Worked by hand: c = 0.1 g, so sign(c) = sign(g) and w moves by lr against it, 0 for
// 0.
TEST(LionTest, FirstStepMovesByLrAgainstGradientSign) {
  const at::Tensor w = at::tensor({1.0, 2.0, 3.0}, at::kDouble);
  w.mutable_grad() = at::tensor({0.3, -0.2, 0.0}, at::kDouble);
  Lion lion(group_of({whole("w", w)}, LionOptions{.lr = 0.5}));

  lion.step();

  EXPECT_TRUE(at::equal(w, at::tensor({0.5, 2.5, 3.0}, at::kDouble)));
}

// Worked by hand: w = 2 (1 - 0.5 * 0.1) - 0.5 = 1.4. Decay last would give 1.425.
TEST(LionTest, DecaysBeforeItMoves) {
  const at::Tensor w = at::full({1}, 2.0, at::kDouble);
  w.mutable_grad() = at::ones({1}, at::kDouble);
  Lion lion(group_of({whole("w", w)}, LionOptions{.lr = 0.5, .weight_decay = 0.1}));
  lion.step();
  EXPECT_NEAR(w.item<double>(), 1.4, 1e-15);
}

TEST(LionTest, StepsEmptyShards) {
  const at::Tensor none = at::zeros({0, 3});
  none.mutable_grad() = none.clone();
  Lion lion(group_of({whole("none", none)}, LionOptions{}));
  lion.step();
  EXPECT_EQ(lion.step_count("none"), 1);
}

}  // namespace
}  // namespace shardopt::optim
