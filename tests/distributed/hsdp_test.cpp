// Copies of a sharded model: replicate x shard ranks.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "distributed/toy_model.h"
#include "support/thread_meshes.h"

namespace shardopt::distributed {
namespace {

using test::clear_gradients;
using test::expect_gradients;
using test::kLayers;
using test::MeshSize;
using test::ShardedLayers;
using test::step;

// 2 x 2 ranks, copies that are not cut, one copy, and more ranks than rows.
constexpr MeshSize kSizes[] = {{.shard = 2, .replicate = 2},
                               {.shard = 1, .replicate = 4},
                               {.shard = 4, .replicate = 1},
                               {.shard = 3, .replicate = 2},
                               {.shard = 7, .replicate = 2}};

int ranks_of(const MeshSize& size) { return size.shard * size.replicate; }

// Exact: no tolerance between copies.
void expect_as_in_first_copy(const Mesh& mesh, const at::Tensor& tensor,
                             const std::string& name) {
  at::Tensor first = tensor.clone();
  mesh.replicate().broadcast(first, 0)->wait();
  EXPECT_TRUE(at::equal(first, tensor)) << name << " on rank " << mesh.rank();
}

void descend(const ShardedModel& model) {
  const at::NoGradGuard no_grad;
  for (auto& p : model.parameters()) p.rows.sub_(p.rows.grad(), 0.1);
  clear_gradients(model);
}

TEST(HsdpTest, GradientsAreThoseOfPlainModelAtEverySizeAndCut) {
  for (const MeshSize& size : kSizes) {
    const test::Gradients expected = test::plain_gradients(ranks_of(size));
    for (int cut = 0; cut < test::kLayouts; ++cut) {
      test::run_mesh_ranks(size, [&](const Mesh& mesh) {
        ShardedLayers layers(mesh, {.layout = test::layout_number(cut)});
        for (int repeat = 0; repeat < 3; ++repeat) {
          step(layers, mesh);
          expect_gradients(layers.model, expected);
          for (const auto& p : layers.model.parameters()) {
            expect_as_in_first_copy(mesh, p.rows.grad(), p.name);
          }
          clear_gradients(layers.model);
        }
      });
    }
  }
}

TEST(HsdpTest, StepsOfEverySizeLeaveThePlainModelsParametersInAllCopies) {
  std::vector<test::Layer> plain;
  for (int i = 0; i < kLayers; ++i) plain.emplace_back("layer" + std::to_string(i));
  for (int i = 0; i < 5; ++i) {
    for (int rank = 0; rank < 4; ++rank) {
      at::Tensor x = test::input_of(rank);
      for (const auto& layer : plain) x = layer.forward(x);
      (x.square().mean() / 4).backward();
    }
    const at::NoGradGuard no_grad;
    for (auto& layer : plain) {
      for (auto* leaf : {&layer.weight, &layer.bias, &layer.scale}) {
        leaf->sub_(leaf->grad(), 0.1);
        leaf->mutable_grad().reset();
      }
    }
  }
  for (const MeshSize& size : kSizes) {
    if (ranks_of(size) != 4) continue;
    test::run_mesh_ranks(size, [&](const Mesh& mesh) {
      ShardedLayers layers(mesh);
      for (int i = 0; i < 5; ++i) {
        step(layers, mesh);
        descend(layers.model);
      }
      for (const auto& layer : plain) {
        for (const auto& p : layer.parameters()) {
          const at::Tensor whole = layers.model.whole(p.name);
          EXPECT_TRUE(at::allclose(whole, p.leaf.detach(), 1e-5, 1e-5)) << p.name;
          expect_as_in_first_copy(mesh, whole, p.name);
        }
      }
    });
  }
}

TEST(HsdpTest, Bf16ReductionAndComputeGiveCopiesTheSameBits) {
  for (const MeshSize& size : kSizes) {
    test::run_mesh_ranks(size, [&](const Mesh& mesh) {
      ShardedLayers layers(
          mesh, {.compute_dtype = at::kBFloat16, .reduce_dtype = at::kBFloat16});
      const at::Tensor input = test::input_of(mesh.rank()).to(at::kBFloat16);
      layers.forward(input).to(at::kFloat).square().mean().backward();
      // bf16 has 8 bits: relative errors of a few 2^-8 after three layers.
      expect_gradients(layers.model, test::plain_gradients(mesh.size()), 1.0, 2e-2);
      for (const auto& p : layers.model.parameters()) {
        expect_as_in_first_copy(mesh, p.rows.grad(), p.name);
      }
    });
  }
}

TEST(HsdpTest, GradientsOfSeveralBackwardsAddUpInEitherWay) {
  for (const MeshSize& size : kSizes) {
    const test::Gradients expected = test::plain_gradients(ranks_of(size));
    for (const bool keeps_whole : {false, true}) {
      test::run_mesh_ranks(size, [&](const Mesh& mesh) {
        ShardedLayers layers(mesh);
        for (int micro = 0; micro < 3; ++micro) {
          layers.model.set_gradient_sync(!keeps_whole || micro == 2);
          step(layers, mesh);
        }
        expect_gradients(layers.model, expected, 3.0);
        EXPECT_EQ(mesh.replicate().ledger().total().calls,
                  mesh.replicate().size() == 1 ? 0 : (keeps_whole ? 1 : 3) * kLayers);
      });
    }
  }
}

// Of 2 x 2 ranks, "rare" is used by the last alone and "idle" by none.
TEST(HsdpTest, ParameterUsedInOneCopyAloneIsAveragedOverAll) {
  for (const MeshSize& size : kSizes) {
    test::run_mesh_ranks(size, [](const Mesh& mesh) {
      ShardedModel model(mesh);
      const auto leaf = [] { return at::ones({5}).set_requires_grad(true); };
      const at::Tensor used = leaf();
      const at::Tensor rare = leaf();
      const at::Tensor idle = leaf();
      auto& unit =
          model.add_unit("unit", {{"used", used}, {"rare", rare}, {"idle", idle}});
      const bool is_last = mesh.rank() == mesh.size() - 1;
      const at::Tensor x = at::ones({2, 5});
      unit.run_one(x, [&] { return is_last ? x * used * rare : x * used; })
          .sum()
          .backward();

      for (const auto& p : model.parameters()) {
        ASSERT_EQ(p.rows.grad().defined(), p.name != "idle") << p.name;
        if (p.name == "idle") continue;
        // d/dw of the sum over [2, 5] of ones is 2, on all ranks or on one.
        const double expected = p.name == "used" ? 2.0 : 2.0 / mesh.size();
        EXPECT_TRUE(at::allclose(p.rows.grad(), at::full_like(p.rows, expected)));
      }
    });
  }
}

// layer0's weight is used at both ends; the middle is frozen.
TEST(HsdpTest, TiedAndFrozenParametersAreThoseOfThePlainModel) {
  const auto make_layers = [] {
    std::vector<test::Layer> layers{test::Layer("a"), test::Layer("b", false),
                                    test::Layer("c")};
    layers[2].weight = layers[0].weight;
    return layers;
  };
  for (const MeshSize& size : kSizes) {
    const auto plain = make_layers();
    for (int rank = 0; rank < ranks_of(size); ++rank) {
      at::Tensor x = test::input_of(rank);
      for (const auto& layer : plain) x = layer.forward(x);
      (x.square().mean() / ranks_of(size)).backward();
    }
    test::Gradients expected{{"c.bias", plain[2].bias.grad()},
                             {"c.scale", plain[2].scale.grad()}};
    for (const auto& p : plain[0].parameters()) expected[p.name] = p.leaf.grad();
    test::run_mesh_ranks(size, [&](const Mesh& mesh) {
      const auto layers = make_layers();
      ShardedModel model(mesh);
      std::vector<FullyShardedUnit*> units;
      for (const auto& layer : layers) {
        units.push_back(&model.add_unit(layer.name, layer.parameters()));
      }
      at::Tensor x = test::input_of(mesh.rank());
      for (std::size_t i = 0; i < layers.size(); ++i) {
        x = units[i]->run_one(x, [&] { return layers[i].forward(x); });
      }
      x.square().mean().backward();
      EXPECT_EQ(model.parameters().size(), expected.size());
      expect_gradients(model, expected);
    });
  }
}

TEST(HsdpTest, CopiesThatAreNotCutGatherAndScatterNothing) {
  test::run_mesh_ranks({.shard = 1, .replicate = 3}, [](const Mesh& mesh) {
    ShardedLayers layers(mesh);
    step(layers, mesh);
    EXPECT_EQ(mesh.shard().ledger().total().calls, 0);
    EXPECT_EQ(mesh.reduce().ledger().total().calls, 0);
    EXPECT_EQ(mesh.replicate().ledger().entry(Collective::kAllReduce).calls, kLayers);
  });
}

// (P - 1) N for each reduce-scatter of N bytes and 2 (P - 1) N for each all_reduce,
// over the ranks of a group: 31 entries and 3 marks per rank and layer, of 4 bytes.
TEST(HsdpTest, BytesOfBothSumsAreThoseOfTheFormula) {
  test::run_mesh_ranks({.shard = 2, .replicate = 2}, [](const Mesh& mesh) {
    ShardedLayers layers(mesh);
    step(layers, mesh);
    at::Tensor bytes = at::tensor({mesh.reduce().ledger().total().bytes,
                                   mesh.replicate().ledger().total().bytes});
    mesh.world().all_reduce(bytes, ReduceOp::kSum)->wait();
    const int64_t message = (31 + 2 * 3) * 4 * kLayers;
    EXPECT_EQ(bytes[0].item<int64_t>(), 2 * message);  // in two copies
    EXPECT_EQ(bytes[1].item<int64_t>(), 2 * message);  // its two pieces
  });
}

TEST(HsdpTest, SumsOverCopiesStartUnderBackwardInOrderOfUnits) {
  test::run_mesh_ranks({.shard = 2, .replicate = 2}, [](const Mesh& mesh) {
    ShardedLayers layers(mesh);
    const at::Tensor input = test::input_of(mesh.rank()).set_requires_grad(true);
    const at::Tensor first = layers.units[0]->run_one(
        input, [&] { return layers.layers[0].forward(input); });
    at::Tensor x = first;
    for (const int i : {1, 2}) {
      x = layers.units[i]->run_one(x, [&] { return layers.layers[i].forward(x); });
    }
    // Before the first unit's backward: unit 1 is in its first sum, unit 2 in its
    // second.
    bool was_checked = false;
    first.register_hook([&](const at::Tensor&) {
      EXPECT_EQ(mesh.reduce().ledger().total().calls, 2);
      EXPECT_EQ(mesh.replicate().ledger().total().calls, 1);
      was_checked = true;
    });
    x.square().mean().backward();
    EXPECT_TRUE(was_checked);
    EXPECT_EQ(mesh.replicate().ledger().total().calls, kLayers);
  });
}

}  // namespace
}  // namespace shardopt::distributed
