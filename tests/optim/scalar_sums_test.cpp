#include "shardopt/optim/scalar_sums.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/optim/build_optimizer.h"
#include "support/thread_meshes.h"

namespace shardopt::optim {
namespace {

at::Tensor numbers(std::vector<double> values) {
  return at::tensor(values, at::kDouble);
}

TEST(ScalarSumsTest, AddsSharesOfEachRoundInOneCollective) {
  test::run_mesh_ranks(3, [](const distributed::Mesh& mesh) {
    distributed::Communicator& ranks = mesh.shard();
    ranks.clear_ledger();
    ScalarSums sums(&ranks);
    std::vector<double> seen;
    const double rank = mesh.rank();
    sums.add(numbers({rank, 1.0}), [&](std::span<const double> totals) {
      seen.insert(seen.end(), totals.begin(), totals.end());
      sums.add(numbers({totals[0]}),
               [&](std::span<const double> next) { seen.push_back(next[0]); });
    });
    sums.add(numbers({10.0}),
             [&](std::span<const double> totals) { seen.push_back(totals[0]); });
    sums.settle();
    EXPECT_EQ(seen, (std::vector<double>{3.0, 3.0, 30.0, 9.0}));
    EXPECT_TRUE(sums.is_empty());
    EXPECT_EQ(ranks.ledger().total().calls, 2);
  });
}

TEST(ScalarSumsTest, NeedsNobodyForOneRank) {
  ScalarSums sums(nullptr);
  double seen = 0.0;
  sums.add(numbers({2.5}), [&](std::span<const double> totals) { seen = totals[0]; });
  sums.settle();
  EXPECT_EQ(seen, 2.5);
  EXPECT_THROW(sums.add(at::ones({2}), [](auto) {}), c10::Error);  // fp32
}

// Calls of one step of Muon with a matrix, a vector and a user's group, all cut.
int64_t calls_of(const OptimizerConfig& config) {
  int64_t calls = 0;
  test::run_mesh_ranks(2, [&](const distributed::Mesh& mesh) {
    std::vector<Parameter> parameters;
    for (const char* name : {"a", "b", "user"}) {
      const at::Tensor rows = at::ones({2, 3}, at::kDouble);
      rows.mutable_grad() = at::arange(6, at::kDouble).sin().view({2, 3});
      parameters.push_back({name, rows, Shard({0, 2, 4}, mesh.rank())});
    }
    parameters.push_back(
        {"vector", at::ones({1}, at::kDouble), Shard({0, 1, 2}, mesh.rank())});
    parameters.back().rows.mutable_grad() = at::ones({1}, at::kDouble);
    const auto optimizer = build_optimizer(parameters, config, mesh);
    mesh.shard().clear_ledger();
    optimizer->step();
    if (mesh.rank() == 0) calls = mesh.shard().ledger().total().calls;
  });
  return calls;
}

TEST(ScalarSumsTest, OptimizersNeedOneCollectivePerPhaseForAllGroups) {
  OptimizerConfig config{.name = "muon"};
  config.groups = {{.name = "own", .pattern = "user", .algorithm = "dual_scaled_adam"}};
  config.rules.caution = true;
  EXPECT_EQ(calls_of(config), 2);  // <mh, u> and masks; then dual_scaled_adam's mask
  config.groups.clear();
  EXPECT_EQ(calls_of(config), 1);
  config.muon.caution_stage = CautionStage::kBefore;
  EXPECT_EQ(calls_of(config), 1);
  config.rules.caution = false;
  EXPECT_EQ(calls_of(config), 0);
  EXPECT_EQ(calls_of({.name = "dual_scaled_adam"}), 1);
}

TEST(ScalarSumsTest, CutParametersWithoutTheirRanksAreRefused) {
  const at::Tensor rows = at::ones({2, 3}, at::kDouble);
  rows.mutable_grad() = at::ones({2, 3}, at::kDouble);
  const distributed::Mesh mesh = distributed::make_single_mesh();
  OptimizerConfig config{.name = "lion"};
  config.rules.caution = true;
  const auto factory = make_optimizer_registry();
  const auto lion = factory.create(
      "lion", {{.name = "g", .parameters = {{"w", rows, Shard({0, 2, 4}, 0)}}}}, config,
      mesh);
  expect_contains(message_of<c10::Error>([&] { lion->step(); }), "set_shard_ranks()");
}

}  // namespace
}  // namespace shardopt::optim
