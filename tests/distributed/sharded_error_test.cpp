#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "distributed/toy_model.h"
#include "shardopt/core/error.h"
#include "support/thread_meshes.h"

namespace shardopt::distributed {
namespace {

using test::expect_gradients;
using test::ShardedLayers;
using test::step;

TEST(ShardedErrorTest, ParametersChangedBetweenForwardAndBackwardAreAnError) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    ShardedLayers layers(mesh);
    const at::Tensor loss = layers.forward(test::input_of(mesh.rank())).sum();
    for (auto& p : layers.model.parameters()) p.rows.mul_(2.0);
    EXPECT_THROW(loss.backward(), ShardingError);
  });
}

TEST(ShardedErrorTest, BackwardThatThrewLeavesNothingBehind) {
  for (const int ranks : {1, 2}) {
    test::run_mesh_ranks(ranks, [&](const Mesh& mesh) {
      ShardedLayers layers(mesh);
      const at::Tensor input = test::input_of(mesh.rank()).set_requires_grad(true);
      const at::Tensor middle = input * 1.0;
      middle.register_hook([](const at::Tensor&) { TORCH_CHECK(false, "stop"); });
      const at::Tensor loss = layers.forward(middle).square().mean();
      EXPECT_THROW(loss.backward(), c10::Error);
      for (auto& p : layers.model.parameters()) p.rows.mutable_grad().reset();

      step(layers, mesh);

      expect_gradients(layers.model, test::plain_gradients(ranks));
    });
  }
}

TEST(ShardedErrorTest, WholeGivesTheModelsOwnValuesAndShapes) {
  test::run_mesh_ranks(3, [](const Mesh& mesh) {
    const ShardedLayers layers(mesh);
    for (const auto& p : test::Layer("layer1").parameters()) {
      EXPECT_TRUE(at::equal(layers.model.whole(p.name), p.leaf.detach())) << p.name;
    }
    EXPECT_THROW((void)layers.model.whole("nobody"), c10::Error);
  });
}

TEST(ShardedErrorTest, RejectsNamesTwiceAndLeavesThatCannotBeCut) {
  const Mesh mesh = make_single_mesh();
  ShardedModel model(mesh);
  const at::Tensor leaf = at::zeros({3, 2}).set_requires_grad(true);
  model.add_unit("a", {{"w", leaf}});
  EXPECT_THROW(model.add_unit("b", {{"w", at::zeros({2})}}), c10::Error);
  EXPECT_THROW(model.add_unit("c", {{"x", at::zeros({2})}, {"x", at::zeros({2})}}),
               c10::Error);
  EXPECT_THROW(model.add_unit("d", {{"half", at::zeros({2}, at::kHalf)}}), c10::Error);
  EXPECT_THROW(model.add_unit("e", {{"t", at::zeros({2, 3}).t()}}), c10::Error);
  EXPECT_THROW(model.add_unit("f", {{"inner", leaf * 2}}), c10::Error);
}

TEST(ShardedErrorTest, RejectsDtypesThatItCannotSend) {
  const Mesh mesh = make_single_mesh();
  const auto expect_rejected = [&](const ShardingOptions& options, const char* words) {
    try {
      const ShardedModel model(mesh, options);
      ADD_FAILURE() << "accepted, though " << words;
    } catch (const c10::Error& error) {
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos);
    }
  };
  expect_rejected({.compute_dtype = at::kDouble}, "compute_dtype is Double; allowed");
  expect_rejected({.reduce_dtype = at::kHalf}, "reduce_dtype is Half; allowed");
}

TEST(ShardedErrorTest, RejectsLayoutThatDoesNotFit) {
  const Mesh mesh = make_single_mesh();
  const auto with = [&](Cuts cuts) {
    ShardedModel model(mesh, {.layout = [=](auto, int) { return cuts; }});
    model.add_unit("a", {{"w", at::zeros({3, 2})}});
  };
  EXPECT_THROW(with({}), c10::Error);
  EXPECT_THROW(with({{0, 2}}), c10::Error);
  EXPECT_THROW(with({{0, 1, 3}}), c10::Error);
  EXPECT_NO_THROW(with({{0, 3}}));
}

}  // namespace
}  // namespace shardopt::distributed
