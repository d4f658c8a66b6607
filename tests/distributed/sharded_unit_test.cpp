#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "distributed/toy_model.h"
#include "support/thread_meshes.h"

namespace shardopt::distributed {
namespace {

using test::expect_gradients;
using test::Gradients;
using test::ShardedLayers;
using test::step;

TEST(ShardedUnitTest, GradientsAreThoseOfPlainModelAtEveryCutAndSize) {
  for (int ranks = 1; ranks <= 4; ++ranks) {
    const Gradients expected = test::plain_gradients(ranks);
    for (int cut = 0; cut < test::kLayouts; ++cut) {
      test::run_mesh_ranks(ranks, [&](const Mesh& mesh) {
        ShardedLayers layers(mesh, {.layout = test::layout_number(cut)});
        for (int repeat = 0; repeat < 3; ++repeat) {
          step(layers, mesh);
          expect_gradients(layers.model, expected);
          for (auto& p : layers.model.parameters()) p.rows.mutable_grad().reset();
        }
      });
    }
  }
}

TEST(ShardedUnitTest, NothingIsGatheredOutsideAndReadingNamesTheParameter) {
  for (const int ranks : {1, 2}) {
    test::run_mesh_ranks(ranks, [](const Mesh& mesh) {
      ShardedLayers layers(mesh);
      const auto expect_freed = [&] {
        for (const auto& layer : layers.layers) {
          EXPECT_EQ(layer.weight.storage().nbytes(), 0U);
          try {
            (void)layer.weight.sum();
            ADD_FAILURE() << "a freed parameter was read";
          } catch (const c10::Error& error) {
            EXPECT_NE(std::string(error.what()).find(layer.name + ".weight"),
                      std::string::npos);
          }
        }
      };
      expect_freed();
      step(layers, mesh);
      expect_freed();
    });
  }
}

TEST(ShardedUnitTest, UnitsAreFreedAsBackwardGoesOn) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    ShardedLayers layers(mesh, {.keep_last_gathered = false});
    const at::Tensor input = test::input_of(mesh.rank()).set_requires_grad(true);
    const at::Tensor output = layers.forward(input);
    bool was_checked = false;
    // Runs before the first unit's backward, after all others'.
    input.register_hook([&](const at::Tensor&) {
      EXPECT_FALSE(layers.units[1]->is_gathered());
      EXPECT_FALSE(layers.units[2]->is_gathered());
      was_checked = true;
    });
    output.square().mean().backward();
    EXPECT_TRUE(was_checked);
  });
}

TEST(ShardedUnitTest, GathersEachUnitTwiceAndKeepsTheLastOnceItIsKnown) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    ShardedLayers layers(mesh);
    const auto gathers_of_step = [&] {
      mesh.shard().clear_ledger();
      step(layers, mesh);
      return mesh.shard().ledger().entry(Collective::kAllGather).calls;
    };
    EXPECT_EQ(gathers_of_step(), 2 * test::kLayers);      // order not known yet
    EXPECT_EQ(gathers_of_step(), 2 * test::kLayers - 1);  // the last stays
    EXPECT_EQ(gathers_of_step(), 2 * test::kLayers - 1);
    EXPECT_EQ(mesh.reduce().ledger().entry(Collective::kReduceScatter).calls,
              3 * test::kLayers);
  });
}

TEST(ShardedUnitTest, BuffersHoldTwoGatheredUnitsAndTheirMessages) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    ShardedLayers layers(mesh, {}, /*count=*/8);
    for (int i = 0; i < 4; ++i) {
      step(layers, mesh);
      for (auto& p : layers.model.parameters()) p.rows.mutable_grad().reset();
    }
    // 25 + 5 + 1 floats, each parameter aligned to 64 bytes: 128 + 64 + 64.
    EXPECT_LE(layers.model.buffer_bytes(), 4 * 256);
  });
}

TEST(ShardedUnitTest, GradientsOfSeveralBackwardsAddUp) {
  test::run_mesh_ranks(3, [](const Mesh& mesh) {
    ShardedLayers layers(mesh);
    step(layers, mesh);
    step(layers, mesh);
    expect_gradients(layers.model, test::plain_gradients(3), 2.0);
  });
}

TEST(ShardedUnitTest, AccumulatesWithoutReductionUntilSyncIsOn) {
  for (const int ranks : {1, 3}) {
    test::run_mesh_ranks(ranks, [&](const Mesh& mesh) {
      ShardedLayers layers(mesh);
      mesh.reduce().clear_ledger();
      layers.model.set_gradient_sync(false);
      step(layers, mesh);
      step(layers, mesh);
      EXPECT_EQ(mesh.reduce().ledger().total().calls, 0);
      for (auto& p : layers.model.parameters()) EXPECT_FALSE(p.rows.grad().defined());

      layers.model.set_gradient_sync(true);
      step(layers, mesh);

      expect_gradients(layers.model, test::plain_gradients(ranks), 3.0);
    });
  }
}

TEST(ShardedUnitTest, TwoForwardsBeforeTheirBackwards) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    ShardedLayers layers(mesh);
    const at::Tensor first = layers.forward(test::input_of(mesh.rank()));
    const at::Tensor second = layers.forward(test::input_of(mesh.rank()));
    first.square().mean().backward();
    second.square().mean().backward();
    expect_gradients(layers.model, test::plain_gradients(2), 2.0);
  });
}

TEST(ShardedUnitTest, SecondBackwardOfRetainedGraph) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    ShardedLayers layers(mesh);
    const at::Tensor loss = layers.forward(test::input_of(mesh.rank())).square().mean();
    loss.backward({}, /*retain_graph=*/true);
    loss.backward();
    expect_gradients(layers.model, test::plain_gradients(2), 2.0);
  });
}

TEST(ShardedUnitTest, EvaluationBetweenForwardAndBackwardChangesNothing) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    ShardedLayers layers(mesh);
    step(layers, mesh);
    for (auto& p : layers.model.parameters()) p.rows.mutable_grad().reset();
    const at::Tensor input = test::input_of(mesh.rank());
    const at::Tensor trained = layers.forward(input);
    {
      const at::NoGradGuard no_grad;
      EXPECT_TRUE(at::equal(layers.forward(input), trained));
    }
    {
      const c10::InferenceMode inference;
      EXPECT_TRUE(at::equal(layers.forward(input), trained));
    }
    trained.square().mean().backward();
    expect_gradients(layers.model, test::plain_gradients(2));
  });
}

TEST(ShardedUnitTest, FirstUseInsideInferenceModeLeavesTrainingPossible) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    ShardedLayers layers(mesh);
    {
      const c10::InferenceMode inference;
      (void)layers.forward(test::input_of(mesh.rank()));
    }
    step(layers, mesh);
    expect_gradients(layers.model, test::plain_gradients(2));
  });
}

TEST(ShardedUnitTest, OutputMayBeChangedInPlace) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    ShardedLayers layers(mesh, {}, 1);
    const test::Layer plain("layer0");
    const at::Tensor input = test::input_of(0);
    plain.forward(input).add_(1.0).square_().sum().backward();

    layers.forward(input).add_(1.0).square_().sum().backward();

    for (const auto& p : layers.model.parameters()) {
      if (p.name != "layer0.weight") continue;
      EXPECT_TRUE(at::allclose(
          p.rows.grad(), test::rows_of(plain.weight.grad(), p.shard), 1e-5, 1e-6));
    }
  });
}

TEST(ShardedUnitTest, Bf16ComputeAndReductionKeepFp32Master) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    ShardedLayers layers(
        mesh, {.compute_dtype = at::kBFloat16, .reduce_dtype = at::kBFloat16});
    const at::Tensor input = test::input_of(mesh.rank()).to(at::kBFloat16);
    layers.forward(input).to(at::kFloat).square().mean().backward();
    for (const auto& p : layers.model.parameters()) {
      EXPECT_EQ(p.rows.scalar_type(), at::kFloat);
      EXPECT_EQ(p.rows.grad().scalar_type(), at::kFloat);
    }
    // bf16 has 8 bits: relative errors of a few 2^-8 after three layers.
    expect_gradients(layers.model, test::plain_gradients(2), 1.0, 2e-2);
  });
}

}  // namespace
}  // namespace shardopt::distributed
