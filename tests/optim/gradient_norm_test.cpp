#include "shardopt/optim/gradient_norm.h"

#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/distributed/communicator.h"
#include "support/thread_meshes.h"

namespace shardopt::optim {
namespace {

Parameter with_gradient(const std::string& name, at::Tensor grad) {
  Parameter parameter = whole(name, at::zeros_like(grad));
  parameter.rows.mutable_grad() = std::move(grad);
  return parameter;
}

// 3^2 + 4^2 + 12^2 = 13^2; "c" has no gradient and "d" no rows.
std::vector<Parameter> thirteen() {
  return {with_gradient("a", at::tensor({3.0, 4.0}, at::kDouble)),
          with_gradient("b", at::full({1, 1}, -12.0, at::kDouble)), ones("c"),
          with_gradient("d", at::zeros({0, 2}, at::kDouble))};
}

TEST(GradientNormTest, SumsSquaresOfAllGradients) {
  EXPECT_EQ(local_squared_norm(thirteen()), 169.0);
  EXPECT_EQ(local_squared_norm({}), 0.0);
}

// 2^24 + 1 is no float: sums of fp32 squares would stay at 2^24.
TEST(GradientNormTest, AccumulatesInDoubleAndDoesNotOverflow) {
  at::Tensor grad = at::ones({2}, at::kFloat);
  grad[0] = 4096.0;
  EXPECT_NEAR(local_squared_norm({{with_gradient("w", grad)}}), 16777217.0, 1e-7);
  const at::Tensor huge = at::full({4}, 1e30, at::kFloat);
  EXPECT_NEAR(local_squared_norm({{with_gradient("w", huge)}}) / 4e60, 1.0, 1e-6);
}

TEST(GradientNormTest, ScalesEveryGradientInPlace) {
  const std::vector<Parameter> parameters = thirteen();
  scale_gradients(parameters, 0.5);
  EXPECT_TRUE(
      at::equal(parameters[0].rows.grad(), at::tensor({1.5, 2.0}, at::kDouble)));
  EXPECT_EQ(parameters[1].rows.grad().item<double>(), -6.0);
  EXPECT_FALSE(parameters[2].rows.grad().defined());
}

TEST(GradientNormTest, FactorIsTorchs) {
  EXPECT_EQ(clip_factor(4.0, 1.0), 1.0 / (4.0 + 1e-6));
  EXPECT_EQ(clip_factor(0.5, 1.0), 1.0);
  EXPECT_EQ(clip_factor(0.0, 1.0), 1.0);
  EXPECT_EQ(clip_factor(std::numeric_limits<double>::infinity(), 1.0), 1.0);
  EXPECT_EQ(clip_factor(std::numeric_limits<double>::quiet_NaN(), 1.0), 1.0);
  EXPECT_THROW((void)clip_factor(1.0, 0.0), c10::Error);
  EXPECT_THROW((void)clip_factor(1.0, std::nan("")), c10::Error);
}

TEST(GradientNormTest, LeavesGradientsOfANormThatIsNotFinite) {
  const auto communicator = distributed::make_single_communicator();
  std::vector<Parameter> parameters = thirteen();
  parameters[1].rows.mutable_grad().fill_(std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isinf(clip_global_norm(parameters, 1.0, *communicator)));
  EXPECT_EQ(parameters[0].rows.grad()[0].item<double>(), 3.0);
}

TEST(GradientNormTest, ClipsByTheNormOverAllRanksWithOneReduction) {
  test::run_mesh_ranks(3, [](const distributed::Mesh& mesh) {
    // Ranks hold 3, 4 and 12 of one vector.
    const double mine = std::vector{3.0, 4.0, 12.0}[mesh.rank()];
    const at::Tensor rows = at::zeros({1}, at::kDouble);
    rows.mutable_grad() = at::full({1}, mine, at::kDouble);
    const std::vector<Parameter> parameters = {
        {"w", rows, Shard({0, 1, 2, 3}, mesh.rank())}};
    mesh.shard().clear_ledger();

    const double norm = clip_global_norm(parameters, 6.5, mesh.shard());

    EXPECT_EQ(norm, 13.0);
    EXPECT_NEAR(rows.grad().item<double>(), mine / 2.0, 1e-6);
    EXPECT_EQ(mesh.shard().ledger().total().calls, 1);
    EXPECT_NEAR(clip_global_norm(parameters, 100.0, mesh.shard()), 6.5, 1e-6);
    EXPECT_NEAR(rows.grad().item<double>(), mine / 2.0, 1e-6);
  });
}

}  // namespace
}  // namespace shardopt::optim
