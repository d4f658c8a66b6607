// What runs under what, and what that costs in memory.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "distributed/toy_model.h"
#include "shardopt/distributed/timeline.h"
#include "support/thread_meshes.h"

namespace shardopt::distributed {
namespace {

using test::clear_gradients;
using test::expect_gradients;
using test::kLayers;
using test::kWidth;
using test::MeshSize;
using test::ShardedLayers;
using test::step;

constexpr MeshSize kSizes[] = {{.shard = 1},
                               {.shard = 2},
                               {.shard = 4},
                               {.shard = 2, .replicate = 2},
                               {.shard = 1, .replicate = 2}};

// Units of very different sizes; the last uses the first one's parameter too.
struct UnevenModel {
  UnevenModel(const Mesh& mesh, ShardingOptions options)
      : model(mesh, std::move(options)) {
    for (const int64_t rows : {90, 3, 7, 400, 6, 2000, 1}) {
      const std::string name = "rows" + std::to_string(rows);
      leaves.push_back(test::values_of(name, {rows, kWidth}).set_requires_grad(true));
      units.push_back(&model.add_unit(name, {{name, leaves.back()}}));
    }
    leaves.push_back(leaves.front());
    const at::Tensor own = test::values_of("own", {kWidth, kWidth});
    units.push_back(&model.add_unit(
        "tied", {{"rows90", leaves.back()}, {"own", own.set_requires_grad(true)}}));
  }
  void step(const at::Tensor& input) {
    at::Tensor x = input;
    for (std::size_t i = 0; i < units.size(); ++i) {
      x = units[i]->run_one(
          x, [&] { return x + at::linear(x, leaves[i]).matmul(leaves[i]).tanh(); });
    }
    x.to(at::kFloat).square().mean().backward();
  }
  ShardedModel model;
  std::vector<at::Tensor> leaves;
  std::vector<FullyShardedUnit*> units;
};

enum class Accumulation : uint8_t { kNone, kRows, kWhole };

void train(UnevenModel& uneven, const at::Tensor& input, Accumulation accumulation) {
  const int count = accumulation == Accumulation::kNone ? 1 : 3;
  for (int micro = 0; micro < count; ++micro) {
    const bool is_last = micro + 1 == count;
    uneven.model.set_gradient_sync(accumulation != Accumulation::kWhole || is_last);
    uneven.step(input);
  }
  clear_gradients(uneven.model);
}

TEST(ShardedOverlapTest, NothingIsAllocatedAfterTheSecondStep) {
  for (const MeshSize& size : kSizes) {
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      for (const auto accumulation :
           {Accumulation::kNone, Accumulation::kRows, Accumulation::kWhole}) {
        test::run_mesh_ranks(size, [&](const Mesh& mesh) {
          UnevenModel uneven(mesh, {.compute_dtype = dtype});
          const at::Tensor input = test::input_of(mesh.rank()).to(dtype);
          for (int i = 0; i < 2; ++i) train(uneven, input, accumulation);
          const int64_t allocations = uneven.model.buffer_allocations();
          const int64_t bytes = uneven.model.buffer_bytes();
          for (int i = 0; i < 4; ++i) train(uneven, input, accumulation);
          EXPECT_EQ(uneven.model.buffer_allocations(), allocations);
          EXPECT_EQ(uneven.model.buffer_bytes(), bytes);
          EXPECT_EQ(allocations > 0, mesh.size() > 1 || dtype == at::kBFloat16);
        });
      }
    }
  }
}

TEST(ShardedOverlapTest, BuffersDoNotGrowWithTheNumberOfUnits) {
  for (const MeshSize& size : kSizes) {
    for (const bool keeps_rows : {false, true}) {
      test::run_mesh_ranks(size, [&](const Mesh& mesh) {
        std::vector<int64_t> bytes;
        for (const int units : {5, 12}) {
          ShardedLayers layers(mesh, {}, units);
          for (int i = 0; i < 4; ++i) {
            step(layers, mesh);
            if (!keeps_rows) clear_gradients(layers.model);
          }
          bytes.push_back(layers.model.buffer_bytes());
        }
        EXPECT_EQ(bytes[0], bytes[1]);
      });
    }
  }
}

// What a gradient was taken from goes back to the pool, and on to the next backward.
TEST(ShardedOverlapTest, GradientsStayWhenTheirBuffersAreReused) {
  for (const MeshSize& size : kSizes) {
    for (const bool keeps_whole : {false, true}) {
      test::run_mesh_ranks(size, [&](const Mesh& mesh) {
        ShardedLayers layers(mesh, {.compute_dtype = at::kBFloat16});
        const at::Tensor input = test::input_of(mesh.rank()).to(at::kBFloat16);
        for (int micro = 0; micro < 3; ++micro) {
          layers.model.set_gradient_sync(!keeps_whole || micro == 2);
          layers.forward(input).to(at::kFloat).square().mean().backward();
        }
        layers.model.set_gradient_sync(false);
        layers.forward(input * 2).to(at::kFloat).square().mean().backward();
        // Relative errors of a few 2^-8, as bf16's.
        expect_gradients(layers.model, test::plain_gradients(mesh.size()), 3.0, 5e-2);
      });
    }
  }
}

TEST(ShardedOverlapTest, FirstGradientOfALaterBackwardStaysToo) {
  for (const MeshSize& size : kSizes) {
    test::run_mesh_ranks(size, [&](const Mesh& mesh) {
      ShardedModel model(mesh);
      const at::Tensor early = at::ones({6}).set_requires_grad(true);
      const at::Tensor late = at::ones({6}).set_requires_grad(true);
      auto& unit = model.add_unit("unit", {{"early", early}, {"late", late}});
      const at::Tensor x = at::ones({2, 6});
      for (int i = 0; i < 4; ++i) {
        unit.run_one(x, [&] { return i == 1 ? x * early * late : x * early; })
            .sum()
            .backward();
      }
      // d/dw of the sum over [2, 6] of ones is 2.
      for (const auto& p : model.parameters()) {
        const double expected = p.name == "early" ? 8.0 : 2.0;
        EXPECT_TRUE(at::equal(p.rows.grad(), at::full_like(p.rows, expected)))
            << p.name << ": " << p.rows.grad();
      }
    });
  }
}

TEST(ShardedOverlapTest, GivesTheSameBitsWithAndWithoutOverlap) {
  for (const MeshSize& size : kSizes) {
    test::run_mesh_ranks(size, [](const Mesh& mesh) {
      std::vector<std::unique_ptr<ShardedLayers>> both;
      for (const bool overlap : {true, false}) {
        both.push_back(
            std::make_unique<ShardedLayers>(mesh, ShardingOptions{.overlap = overlap}));
        for (int i = 0; i < 3; ++i) step(*both.back(), mesh);
      }
      const auto expected = both[0]->model.parameters();
      const auto serial = both[1]->model.parameters();
      for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_TRUE(at::equal(serial[i].rows.grad(), expected[i].rows.grad()));
      }
    });
  }
}

TEST(ShardedOverlapTest, WithoutOverlapNothingIsUnderWayWhileAUnitWorks) {
  test::run_mesh_ranks(MeshSize{.shard = 2, .replicate = 2}, [](const Mesh& mesh) {
    ShardedLayers layers(mesh, {.overlap = false});
    step(layers, mesh);  // now the order of units is known
    clear_gradients(layers.model);
    mesh.shard().clear_ledger();
    at::Tensor x = test::input_of(mesh.rank());
    for (int i = 0; i < kLayers; ++i) {
      x = layers.units[i]->run_one(x, [&] {
        EXPECT_EQ(mesh.shard().ledger().total().calls, i + 1);  // none ahead
        return layers.layers[i].forward(x);
      });
      if (i > 0) continue;
      x.register_hook([&](const at::Tensor&) {  // before the first unit's backward
        for (const auto& p : layers.model.parameters()) {
          EXPECT_EQ(p.rows.grad().defined(), !p.name.starts_with("layer0")) << p.name;
        }
      });
    }
    x.square().mean().backward();
  });
}

TEST(ShardedOverlapTest, TimelineHasForwardAndBackwardOfEveryUnit) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    const auto timeline = std::make_shared<Timeline>();
    ShardedLayers layers(mesh, {.timeline = timeline});
    step(layers, mesh);
    EXPECT_TRUE(timeline->spans().empty());  // not recording yet

    timeline->start();
    step(layers, mesh);

    std::vector<std::string> names;
    int64_t end_us = 0;
    for (const auto& span : timeline->spans()) {
      EXPECT_EQ(span.track, "compute");
      EXPECT_GE(span.begin_us, end_us) << span.name;  // one after the other
      EXPECT_GE(span.end_us, span.begin_us) << span.name;
      end_us = span.end_us;
      names.push_back(span.name);
    }
    EXPECT_EQ(names, (std::vector<std::string>{"forward layer0", "forward layer1",
                                               "forward layer2", "backward layer2",
                                               "backward layer1", "backward layer0"}));
  });
}

}  // namespace
}  // namespace shardopt::distributed
