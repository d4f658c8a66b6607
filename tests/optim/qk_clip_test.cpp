#include "shardopt/optim/qk_clip.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "support/thread_meshes.h"

namespace shardopt::optim {
namespace {

AttentionHeads fused(const Parameter& qkv) {  // 4 heads and 2 key heads of 2 rows
  return {.query = qkv,
          .key = qkv,
          .heads = 4,
          .key_heads = 2,
          .head_rows = 2,
          .key_begin = 8};
}

// tau 1: gammas 1, 1/4, 1/9, 1/16; shared key heads take 1/4 and 1/16.
at::Tensor expected_scales() {
  return at::tensor({1.0, 1.0, 0.5, 0.5, 1.0 / 3, 1.0 / 3, 0.25, 0.25,  // queries
                     0.5, 0.5, 0.25, 0.25,                              // keys
                     1.0, 1.0, 1.0, 1.0},                               // values
                    at::kDouble)
      .unsqueeze(1)
      .expand({16, 3})
      .contiguous();
}

TEST(QkClipTest, ScalesHeadsByTheRootOfGammaOnOneRank) {
  const Parameter qkv = ones("qkv", 16, 3);
  QkClip clip({fused(qkv)}, 1.0);
  const std::vector<at::Tensor> logits = {at::tensor({0.5, 4.0, 9.0, 16.0})};
  clip.apply(logits, distributed::make_single_mesh());
  expect_near(qkv.rows, expected_scales(), 1e-15);
}

// Each rank has seen another part of the batch, and holds other rows.
TEST(QkClipTest, TakesTheLargestOfAllRanksWhateverTheCut) {
  test::run_mesh_ranks({.shard = 3, .replicate = 2}, [](const distributed::Mesh& mesh) {
    const Shard shard({0, 3, 3, 16}, mesh.shard().rank());
    const at::Tensor rows = at::ones({shard.local_rows(), 3}, at::kDouble);
    QkClip clip({fused({"qkv", rows, shard})}, 1.0);
    at::Tensor seen = at::zeros({4});
    if (mesh.rank() < 4) seen[mesh.rank()] = std::pow(mesh.rank() + 1.0, 2.0);
    const std::vector<at::Tensor> logits = {seen};
    mesh.world().clear_ledger();
    clip.apply(logits, mesh);
    EXPECT_EQ(mesh.world().ledger().total().calls, 1);
    expect_near(rows,
                expected_scales().narrow(0, shard.local_begin(), shard.local_rows()),
                1e-15);
  });
}

TEST(QkClipTest, RefusesWhatDoesNotFit) {
  const Parameter qkv = ones("qkv", 16, 3);
  AttentionHeads heads = fused(qkv);
  EXPECT_THROW(QkClip({heads}, 0.0), c10::Error);
  QkClip clip({heads});
  const distributed::Mesh mesh = distributed::make_single_mesh();
  EXPECT_THROW(clip.apply({}, mesh), c10::Error);
  const std::vector<at::Tensor> three = {at::ones({3})};
  EXPECT_THROW(clip.apply(three, mesh), c10::Error);
  const std::vector<at::Tensor> infinite = {at::full({4}, INFINITY)};
  EXPECT_THROW(clip.apply(infinite, mesh), c10::Error);
  expect_near(qkv.rows, at::ones({16, 3}, at::kDouble), 0.0);
  heads.key_heads = 3;
  EXPECT_THROW(QkClip({heads}), c10::Error);
  heads.key_heads = 2;
  heads.key_begin = 14;
  EXPECT_THROW(QkClip({heads}), c10::Error);
}

}  // namespace
}  // namespace shardopt::optim
