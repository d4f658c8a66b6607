#include <functional>
#include <stdexcept>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "shardopt/core/error.h"
#include "support/scratch_dir.h"
#include "support/thread_meshes.h"
#include "tools/small_training.h"
#include "train/trainer.h"

namespace shardopt::train {
namespace {

// What this rank is told after step 2, before which `corrupt` has changed its trainer.
std::string divergence_after(const config::TrainConfig& config,
                             const distributed::Mesh& mesh, const TextData& data,
                             const std::function<void(Trainer&)>& corrupt) {
  Trainer trainer(config, mesh, data);
  for (int step = 1; step <= 2; ++step) (void)trainer.step();
  EXPECT_NO_THROW(trainer.check_divergence()) << "rank " << mesh.rank();
  corrupt(trainer);
  try {
    trainer.check_divergence();
  } catch (const ShardingError& error) {
    return error.what_without_backtrace();
  }
  return "agreed";
}

at::Tensor rows_of(Trainer& trainer, const std::string& name) {
  for (const Parameter& p : trainer.model().parameters()) {
    if (p.name == name) return p.rows;
  }
  throw std::invalid_argument("no parameter " + name);
}

// The last bit of one entry of rank 3's rows, which rank 1 holds too: row 48 and on.
TEST(TrainerDivergenceTest, RowThatOneCopyHasOtherwiseIsADivergenceOnEveryRank) {
  constexpr char kName[] = "blocks.1.qkv.weight";
  const test::ScratchDir folder;
  const TextData data({.path = write_text(folder.path()), .context = 16});
  const auto config = small_config("adamw");
  test::run_mesh_ranks({.shard = 2, .replicate = 2}, [&](const auto& mesh) {
    const auto corrupt = [&](Trainer& trainer) {
      const at::NoGradGuard no_grad;
      at::Tensor entry = rows_of(trainer, kName)[5][7];
      if (mesh.rank() == 3) entry.view(at::kInt).bitwise_xor_(1);
    };
    const std::string entry = mesh.shard().rank() == 1 ? std::string("model/") + kName
                                                       : "(rows of another rank)";
    EXPECT_EQ(divergence_after(config, mesh, data, corrupt),
              "ranks disagree after step 2 about 1 entries of their state, the first "
              "being " +
                  entry);
  });
}

TEST(TrainerDivergenceTest, WeightThatDivergesIsFoundWhereverTheRanksAre) {
  const test::ScratchDir folder;
  const TextData data({.path = write_text(folder.path()), .context = 16});
  const auto config = small_config("muon");
  for (const int copies : {2, 3}) {
    test::run_mesh_ranks({.shard = 1, .replicate = copies}, [&](const auto& mesh) {
      const auto corrupt = [&](Trainer& trainer) {
        const at::NoGradGuard no_grad;
        if (mesh.rank() == copies - 1) rows_of(trainer, "final_norm.weight").add_(0.5);
      };
      const std::string told = divergence_after(config, mesh, data, corrupt);
      EXPECT_NE(told.find("1 entries"), std::string::npos) << told;
      EXPECT_NE(told.find("model/final_norm.weight"), std::string::npos) << told;
    });
  }
}

TEST(TrainerDivergenceTest, LearningRateOfOneRankIsADivergenceOnEveryRank) {
  const test::ScratchDir folder;
  const TextData data({.path = write_text(folder.path()), .context = 16});
  test::run_mesh_ranks({.shard = 2}, [&](const auto& mesh) {
    auto config = small_config("adamw");
    if (mesh.rank() == 1) config.optimizer.lr = 0.006;
    Trainer trainer(config, mesh, data);
    (void)trainer.step();
    try {
      trainer.check_divergence();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const ShardingError& error) {
      const std::string told = error.what_without_backtrace();
      EXPECT_NE(told.find("optimizer/"), std::string::npos) << told;
      EXPECT_NE(told.find("lr"), std::string::npos) << told;
    }
  });
}

}  // namespace
}  // namespace shardopt::train
