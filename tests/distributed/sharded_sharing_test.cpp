// Parameters that are tied, frozen, or get no gradient; units that run more than once.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "distributed/toy_model.h"
#include "support/thread_meshes.h"

namespace shardopt::distributed {
namespace {

using test::input_of;
using test::kTolerance;
using test::kWidth;
using test::Layer;
using test::rows_of;
using test::values_of;

at::Tensor gradient_of(const ShardedModel& model, const std::string& name) {
  for (const auto& p : model.parameters()) {
    if (p.name == name) return p.rows.grad();
  }
  return {};
}

// Compares with the average over ranks of what `loss` gives for plain layers.
template <typename Loss>
void expect_as_plain(const ShardedModel& model, const Mesh& mesh,
                     std::vector<Layer> plain, const Loss& loss) {
  for (int rank = 0; rank < mesh.size(); ++rank) loss(plain, input_of(rank)).backward();
  for (const auto& p : model.parameters()) {
    for (const auto& layer : plain) {
      for (const auto& leaf : layer.parameters()) {
        if (leaf.name != p.name) continue;
        const at::Tensor expected = rows_of(leaf.leaf.grad() / mesh.size(), p.shard);
        EXPECT_TRUE(at::allclose(p.rows.grad(), expected, kTolerance, kTolerance))
            << p.name << " on rank " << mesh.rank();
      }
    }
  }
}

TEST(ShardedSharingTest, UnitCalledTwiceInOneForward) {
  for (const int ranks : {1, 2, 3}) {
    test::run_mesh_ranks(ranks, [](const Mesh& mesh) {
      test::ShardedLayers sharded(mesh, {}, 2);
      const auto run = [&](int i, const at::Tensor& x) {
        return sharded.units[i]->run_one(x,
                                         [&] { return sharded.layers[i].forward(x); });
      };
      for (int repeat = 0; repeat < 3; ++repeat) {
        for (auto& p : sharded.model.parameters()) p.rows.mutable_grad().reset();
        run(0, run(1, run(0, input_of(mesh.rank())))).square().mean().backward();
      }
      expect_as_plain(sharded.model, mesh, {Layer("layer0"), Layer("layer1")},
                      [](const auto& layers, const at::Tensor& x) {
                        const at::Tensor y = layers[1].forward(layers[0].forward(x));
                        return layers[0].forward(y).square().mean();
                      });
    });
  }
}

TEST(ShardedSharingTest, TiedLeafBelongsToItsFirstUnitAndIsThereForBoth) {
  for (const int ranks : {1, 2, 4}) {
    test::run_mesh_ranks(ranks, [](const Mesh& mesh) {
      ShardedModel model(mesh);
      const Layer a("a");
      const Layer b("b");
      Layer c("c");
      c.weight = a.weight;
      auto& unit_a = model.add_unit("a", a.parameters());
      auto& unit_b = model.add_unit("b", b.parameters());
      auto& unit_c = model.add_unit(
          "c", {{"a.weight", c.weight}, {"c.bias", c.bias}, {"c.scale", c.scale}});
      EXPECT_EQ(model.parameters().size(), 8U);  // 3 + 3 + 2
      for (int repeat = 0; repeat < 3; ++repeat) {
        for (auto& p : model.parameters()) p.rows.mutable_grad().reset();
        at::Tensor x = input_of(mesh.rank());
        x = unit_a.run_one(x, [&] { return a.forward(x); });
        x = unit_b.run_one(x, [&] { return b.forward(x); });
        x = unit_c.run_one(x, [&] { return c.forward(x); });
        x.square().mean().backward();
      }
      Layer plain_a("a");
      Layer plain_c("c");
      plain_c.weight = plain_a.weight;
      expect_as_plain(model, mesh, {plain_a, Layer("b"), plain_c},
                      [](const auto& layers, at::Tensor x) {
                        for (const auto& layer : layers) x = layer.forward(x);
                        return x.square().mean();
                      });
    });
  }
}

TEST(ShardedSharingTest, TyingDoesNotHoldUpTheOthersReductions) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    test::ShardedLayers sharded(mesh, {}, 3);
    const auto run = [&](int i, const at::Tensor& x) {
      return sharded.units[i]->run_one(x, [&] { return sharded.layers[i].forward(x); });
    };
    // Unit 0 begins backward first and ends it last.
    const at::Tensor first = run(0, input_of(mesh.rank()));
    const at::Tensor last = run(0, run(2, run(1, first)));
    mesh.reduce().clear_ledger();
    first.register_hook([&](const at::Tensor&) {
      EXPECT_EQ(mesh.reduce().ledger().entry(Collective::kReduceScatter).calls, 2);
    });
    last.square().mean().backward();
    EXPECT_EQ(mesh.reduce().ledger().entry(Collective::kReduceScatter).calls, 3);
  });
}

TEST(ShardedSharingTest, FrozenUnitsPassGradientsThroughAndAreFreedOnTheWay) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    ShardedModel model(mesh);
    const Layer first("first");
    const Layer frozen("frozen", /*trainable=*/false);
    const Layer last("last", /*trainable=*/false);
    auto& unit_first = model.add_unit("first", first.parameters());
    auto& unit_frozen = model.add_unit("frozen", frozen.parameters());
    auto& unit_last = model.add_unit("last", last.parameters());
    EXPECT_EQ(model.frozen_parameters().size(), 6U);
    bool was_checked = false;
    for (int repeat = 0; repeat < 2; ++repeat) {
      for (auto& p : model.parameters()) p.rows.mutable_grad().reset();
      at::Tensor x = input_of(mesh.rank());
      const at::Tensor y = unit_first.run_one(x, [&] { return first.forward(x); });
      const at::Tensor z = unit_frozen.run_one(y, [&] { return frozen.forward(y); });
      const at::Tensor out = unit_last.run_one(z, [&] { return last.forward(z); });
      y.register_hook([&](const at::Tensor&) {
        EXPECT_FALSE(unit_frozen.is_gathered());
        EXPECT_FALSE(unit_last.is_gathered());
        was_checked = true;
      });
      out.square().mean().backward();
    }
    EXPECT_TRUE(was_checked);
    expect_as_plain(model, mesh, {Layer("first"), Layer("frozen"), Layer("last")},
                    [](const auto& layers, at::Tensor x) {
                      for (const auto& layer : layers) x = layer.forward(x);
                      return x.square().mean();
                    });
  });
}

// As LoRA: the frozen weight is needed after every gradient of the unit is there.
TEST(ShardedSharingTest, FrozenWeightBeforeTrainableOnesStaysUntilInputsAreDone) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    ShardedModel model(mesh);
    const Layer first("first");
    const at::Tensor frozen = values_of("frozen", {kWidth, kWidth});
    const at::Tensor tuned = values_of("tuned", {kWidth}).set_requires_grad(true);
    auto& unit_first = model.add_unit("first", first.parameters());
    auto& unit = model.add_unit("mixed", {{"frozen", frozen}, {"tuned", tuned}});
    at::Tensor x = input_of(mesh.rank());
    x = unit_first.run_one(x, [&] { return first.forward(x); });
    x = unit.run_one(x, [&] { return at::linear(x, frozen).tanh() * tuned; });
    x.square().mean().backward();

    expect_as_plain(
        model, mesh, {Layer("first")}, [](const auto& layers, at::Tensor y) {
          y = at::linear(layers[0].forward(y), values_of("frozen", {kWidth, kWidth}));
          return (y.tanh() * values_of("tuned", {kWidth})).square().mean();
        });
  });
}

TEST(ShardedSharingTest, ParameterWithoutGradientHasNone) {
  for (const int ranks : {1, 3}) {
    test::run_mesh_ranks(ranks, [](const Mesh& mesh) {
      ShardedModel model(mesh);
      const at::Tensor used = values_of("used", {kWidth}).set_requires_grad(true);
      const at::Tensor idle = values_of("idle", {kWidth}).set_requires_grad(true);
      auto& unit = model.add_unit("unit", {{"used", used}, {"idle", idle}});
      for (int repeat = 0; repeat < 2; ++repeat) {
        const at::Tensor x = input_of(mesh.rank());
        unit.run_one(x, [&] { return x * used; }).sum().backward();
      }
      EXPECT_TRUE(gradient_of(model, "used").defined());
      EXPECT_FALSE(gradient_of(model, "idle").defined());
    });
  }
}

// Of 3 ranks and more units than reductions may be under way at once, so that a rank
// which waited in one for another would stop them all.
class OneRankAloneTest : public testing::TestWithParam<bool> {};

TEST_P(OneRankAloneTest, ParameterUsedOnOneRankIsAveragedOverAll) {
  test::run_mesh_ranks(3, [](const Mesh& mesh) {
    ShardedModel model(mesh, {.overlap = GetParam()});
    std::vector<at::Tensor> experts;
    std::vector<FullyShardedUnit*> units;
    const at::Tensor shared = at::ones({kWidth}).set_requires_grad(true);
    for (int i = 0; i < 7; ++i) {
      const std::string name = "expert" + std::to_string(i);
      experts.push_back(at::ones({kWidth}).set_requires_grad(true));
      std::vector<ModelParameter> own{{name, experts.back()}};
      if (i == 0) own.push_back({"shared", shared});
      units.push_back(&model.add_unit(name, std::move(own)));
    }
    // Rank r uses the parameters of units r, r + 3, ... alone.
    at::Tensor x = at::ones({2, kWidth});
    x = units[0]->run_one(x, [&] { return x * shared * experts[0]; });
    for (const int i : {1, 2, 3, 4, 5, 6}) {
      x = units[i]->run_one(
          x, [&] { return mesh.rank() == i % 3 ? x * experts[i] : x * 1.0; });
    }
    x.sum().backward();

    // d/dw of sum over [2, width] of ones is 2 on one rank of three.
    for (const auto& p : model.parameters()) {
      const double expected =
          p.name == "expert0" || p.name == "shared" ? 2.0 : 2.0 / 3.0;
      ASSERT_TRUE(p.rows.grad().defined()) << p.name;
      EXPECT_TRUE(at::allclose(p.rows.grad(), at::full_like(p.rows, expected)))
          << p.name;
    }
  });
}
INSTANTIATE_TEST_SUITE_P(Overlap, OneRankAloneTest, testing::Bool());

TEST(ShardedSharingTest, UnitInsideAnotherUnit) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    ShardedModel model(mesh);
    const Layer outer("outer");
    const Layer inner("inner");
    auto& unit_inner = model.add_unit("inner", inner.parameters());
    auto& unit_outer = model.add_unit("outer", outer.parameters());
    for (int repeat = 0; repeat < 3; ++repeat) {
      for (auto& p : model.parameters()) p.rows.mutable_grad().reset();
      const at::Tensor x = input_of(mesh.rank());
      const at::Tensor y = unit_outer.run_one(x, [&] {
        const at::Tensor first = outer.forward(x);
        const at::Tensor second =
            unit_inner.run_one(first, [&] { return inner.forward(first); });
        return outer.forward(second);
      });
      y.square().mean().backward();
    }
    expect_as_plain(model, mesh, {Layer("outer"), Layer("inner")},
                    [](const auto& layers, const at::Tensor& x) {
                      const at::Tensor y = layers[1].forward(layers[0].forward(x));
                      return layers[0].forward(y).square().mean();
                    });
  });
}

TEST(ShardedSharingTest, GradientsOfInputsAloneLeaveParametersWithoutAny) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    test::ShardedLayers layers(mesh);
    const at::Tensor x = input_of(mesh.rank()).set_requires_grad(true);
    const at::Tensor loss = layers.forward(x).square().mean();
    const auto gradients = torch::autograd::grad({loss}, {x});
    EXPECT_EQ(gradients[0].sizes(), x.sizes());
    for (const auto& p : layers.model.parameters())
      EXPECT_FALSE(p.rows.grad().defined());
    for (const auto* unit : layers.units) EXPECT_FALSE(unit->is_gathered());
  });
}

TEST(ShardedSharingTest, SparseGradientIsANamedError) {
  const Mesh mesh = make_single_mesh();
  ShardedModel model(mesh);
  const at::Tensor table = at::ones({4, 2}).set_requires_grad(true);
  auto& unit = model.add_unit("embedding", {{"table", table}});
  const at::Tensor tokens = at::zeros({3}, at::kLong);
  const at::Tensor x = unit.run_one(
      tokens, [&] { return at::embedding(table, tokens, -1, false, /*sparse=*/true); });
  try {
    x.sum().backward();
    ADD_FAILURE() << "a sparse gradient was taken";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("'table' has a sparse gradient"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace shardopt::distributed
