#include "shardopt/optim/adam.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"

namespace shardopt::optim {
namespace {

// Worked by hand: decay makes 2 to 2 (1 - 0.1 * 0.5) = 1.9; the first bias-corrected
// moments are g and g^2, so the step is lr * 3 / (3 + 1).
TEST(AdamWTest, FirstStepDecaysAndMovesByLrOverOnePlusEps) {
  const at::Tensor w = at::full({1}, 2.0, at::kDouble);
  w.mutable_grad() = at::full({1}, 3.0, at::kDouble);
  Adam adamw(group_of({whole("w", w)},
                      AdamOptions{.lr = 0.1, .weight_decay = 0.5, .eps = 1.0}));

  adamw.step();

  EXPECT_NEAR(w.item<double>(), 1.9 - 0.1 * 0.75, 1e-15);
}

// t of a parameter counts its own updates: one that missed a step is corrected as in
// its first. With g = 1 throughout, each update moves by lr / (1 + eps).
TEST(AdamWTest, CorrectsBiasByEachParametersOwnCount) {
  const Parameter a = ones("a", 1, 1);
  const Parameter b = ones("b", 1, 1);
  Adam adamw(
      group_of({a, b}, AdamOptions{.lr = 0.1, .weight_decay = 0.0, .eps = 1e-12}));
  a.rows.mutable_grad() = at::ones({1, 1}, at::kDouble);
  adamw.step();
  b.rows.mutable_grad() = at::ones({1, 1}, at::kDouble);
  adamw.step();

  EXPECT_NEAR(a.rows.item<double>(), 0.8, 1e-12);
  EXPECT_NEAR(b.rows.item<double>(), 0.9, 1e-12);
  EXPECT_EQ(adamw.step_count("a"), 2);
  EXPECT_EQ(adamw.step_count("b"), 1);
}

TEST(AdamWTest, StepsEmptyShardsBesideFullOnes) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const at::Tensor none = at::zeros({0, 3}, dtype);
    const at::Tensor some = at::ones({2, 3}, dtype);
    none.mutable_grad() = none.clone();
    some.mutable_grad() = some.clone();
    Adam adamw(group_of({whole("none", none), whole("some", some)},
                        AdamOptions{.lr = 0.5, .weight_decay = 0.0}));
    adamw.step();
    EXPECT_EQ(adamw.step_count("none"), 1);
    expect_near(some, at::full({2, 3}, 0.5, dtype), 1e-6);

    Adam only_empty(group_of({whole("none", none)}, AdamOptions{}));
    only_empty.step();
    EXPECT_EQ(only_empty.step_count("none"), 1);
  }
}

}  // namespace
}  // namespace shardopt::optim
