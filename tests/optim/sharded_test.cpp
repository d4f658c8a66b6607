// Parameters cut over ranks train as they do whole.
#include <functional>
#include <random>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "optim/sharded_training.h"
#include "shardopt/optim/build_optimizer.h"
#include "support/thread_meshes.h"

namespace shardopt::optim {
namespace {

using Check = std::function<void(const at::Tensor& sharded, const at::Tensor& alone)>;

void compare_with_one_rank(const OptimizerConfig& config, const Cuts& cuts,
                           at::ScalarType dtype, const Check& check) {
  const std::vector<at::Tensor> alone = train_on_one({config}, dtype);
  const int ranks = static_cast<int>(cuts[0].size()) - 1;
  test::run_mesh_ranks(ranks, [&](const distributed::Mesh& mesh) {
    const std::vector<at::Tensor> sharded = train({config}, cuts, mesh, dtype);
    for (std::size_t p = 0; p < alone.size(); ++p) {
      SCOPED_TRACE("parameter " + std::to_string(p));
      check(sharded[p], alone[p]);
    }
  });
}

void expect_same_bits(const at::Tensor& sharded, const at::Tensor& alone) {
  EXPECT_TRUE(at::equal(sharded, alone));
}

TEST(ShardedTest, LionHasTheSameBitsAtAnyCut) {
  const OptimizerConfig config{.name = "lion", .lr = 0.01, .weight_decay = 0.1};
  for (const int ranks : {2, 3, 4}) {
    for (const auto dtype : {at::kFloat, at::kDouble}) {
      compare_with_one_rank(config, random_cuts(ranks, ranks), dtype, expect_same_bits);
    }
    compare_with_one_rank(config, whole_cuts(ranks), at::kFloat, expect_same_bits);
  }
}

TEST(ShardedTest, AdamWHasTheSameBitsAtAnyCutOfRowsOf16Numbers) {
  const OptimizerConfig config{.lr = 0.01, .weight_decay = 0.1};
  const auto check = [](const at::Tensor& sharded, const at::Tensor& alone) {
    const bool is_aligned = alone.dim() == 2 && alone.size(1) % 16 == 0;
    if (is_aligned) expect_same_bits(sharded, alone);
    // An ulp of each of the steps.
    expect_near(sharded, alone, alone.scalar_type() == at::kFloat ? 1e-6 : 1e-15);
  };
  for (const int ranks : {2, 3, 4}) {
    for (const auto dtype : {at::kFloat, at::kDouble}) {
      compare_with_one_rank(config, random_cuts(ranks, ranks), dtype, check);
    }
    compare_with_one_rank(config, whole_cuts(ranks), at::kFloat, expect_same_bits);
  }
}

// Batches of other sizes may round otherwise.
TEST(ShardedTest, LocalMuonEqualsOneRankWhereMatricesLieWhole) {
  const OptimizerConfig config{.name = "muon", .lr = 0.01, .weight_decay = 0.1};
  for (const int ranks : {2, 3, 4}) {
    compare_with_one_rank(config, whole_cuts(ranks), at::kDouble,
                          [](const at::Tensor& sharded, const at::Tensor& alone) {
                            expect_near(sharded, alone, 1e-12);
                          });
  }
}

// What local_shard means: the update of each piece is that of the piece alone.
TEST(ShardedTest, LocalMuonOrthogonalizesEachPieceOfACutMatrix) {
  const at::Tensor grad = at::arange(24, at::kDouble).sin().view({6, 4});
  const auto update = [](const at::Tensor& gradient, const Shard& shard,
                         const distributed::Mesh& mesh) {
    const at::Tensor rows = at::zeros_like(gradient);
    rows.mutable_grad() = gradient;
    build_optimizer({{"w", rows, shard}}, {.name = "muon", .lr = 1.0}, mesh)->step();
    return rows;
  };
  test::run_mesh_ranks(2, [&](const distributed::Mesh& mesh) {
    const Shard shard({0, 5, 6}, mesh.rank());
    const at::Tensor piece =
        grad.narrow(0, shard.local_begin(), shard.local_rows()).clone();
    distributed::Mesh single = distributed::make_single_mesh();
    const at::Tensor alone = update(piece, Shard({0, piece.size(0)}, 0), single);
    expect_near(update(piece, shard, mesh), alone, 1e-14);
    const at::Tensor whole_update = update(grad.clone(), Shard({0, 6}, 0), single);
    const at::Tensor exact = whole_update.narrow(0, shard.local_begin(), piece.size(0));
    EXPECT_GT((alone - exact).abs().max().item<double>(), 0.01);
  });
}

}  // namespace
}  // namespace shardopt::optim
