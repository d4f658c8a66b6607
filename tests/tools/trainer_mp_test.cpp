#include "train/trainer.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>

#include "shardopt/checkpoint/safetensors.h"
#include "shardopt/distributed/c10d_communicator.h"
#include "support/rank_launcher.h"
#include "support/scratch_dir.h"
#include "support/thread_meshes.h"
#include "tools/small_training.h"

namespace shardopt::train {
namespace {

// The sums over ranks are the same; those of a bf16 or fp32 kernel are too.
constexpr double kTolerance = 1e-6;
// Twenty steps of what begins as another order of the same sums.
constexpr double kCopiesTolerance = 1e-5;

std::vector<double> losses(const config::TrainConfig& config,
                           const distributed::Mesh& mesh, const TextData& data) {
  Trainer trainer(config, mesh, data);
  std::vector<double> result;
  for (int step = 1; step <= kSteps; ++step) result.push_back(trainer.step().loss);
  return result;
}

std::vector<double> losses_of_threads(const config::TrainConfig& config,
                                      const test::MeshSize& size,
                                      const TextData& data) {
  std::vector<double> result;
  test::run_mesh_ranks(size, [&](const distributed::Mesh& mesh) {
    const std::vector<double> own = losses(config, mesh, data);
    if (mesh.rank() == 0) result = own;
  });
  return result;
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_NEAR(a[i], b[i], kTolerance * std::abs(b[i])) << "step " << i + 1;
  }
}

void expect_weights_near(const std::string& path, const std::string& expected_path) {
  const auto file = checkpoint::read_safetensors(path);
  for (const auto& [name, expected] :
       checkpoint::read_safetensors(expected_path).tensors) {
    EXPECT_TRUE(at::allclose(file.tensors.at(name), expected, kCopiesTolerance,
                             kCopiesTolerance))
        << name;
  }
}

// As make_mesh cuts a job, whose test is another.
distributed::Mesh gloo_mesh(const test::RankEnvironment& env,
                            const test::MeshSize& size) {
  const auto store =
      c10::make_intrusive<::c10d::FileStore>(env.scratch_dir + "/store", env.size);
  const auto join = [&](const std::string& name, int rank, int ranks) {
    return distributed::make_c10d_communicator(store, name,
                                               {.rank = rank, .size = ranks});
  };
  const int own = env.rank % size.shard;
  const int copy = env.rank / size.shard;
  distributed::MeshGroups groups;
  groups.shard = join(c10::str("shard/", copy), own, size.shard);
  groups.reduce = join(c10::str("reduce/", copy), own, size.shard);
  if (size.replicate > 1) {
    groups.replicate = join(c10::str("replicate/", own), copy, size.replicate);
    groups.world = join("world", env.rank, env.size);
  }
  return distributed::Mesh(std::move(groups));
}

void expect_threads_and_gloo_agree(const test::RankEnvironment& env,
                                   const test::MeshSize& size) {
  const test::ScratchDir own;
  const TextData data({.path = write_text(own.path()), .context = 16});
  const distributed::Mesh mesh = gloo_mesh(env, size);
  for (const char* optimizer : {"adamw", "muon"}) {
    const auto config = small_config(optimizer);
    const std::vector<double> gloo = losses(config, mesh, data);
    if (env.rank == 0) expect_near(losses_of_threads(config, size, data), gloo);
  }
}

TEST(TrainerMpTest, LossesOfThreadsAndGlooAgree) {
  test::run_ranks(2, [](const test::RankEnvironment& env) {
    expect_threads_and_gloo_agree(env, {.shard = 2});
  });
}

TEST(TrainerMpTest, LossesOfThreadsAndGlooAgreeOnCopiesOfTheModel) {
  test::run_ranks(4, [](const test::RankEnvironment& env) {
    expect_threads_and_gloo_agree(env, {.shard = 2, .replicate = 2});
  });
}

TEST(TrainerTest, LossesDoNotDependOnNumberOfThreadRanks) {
  const test::ScratchDir folder;
  const TextData data({.path = write_text(folder.path()), .context = 16});
  const auto config = small_config("adamw");
  const std::vector<double> alone = losses_of_threads(config, {.shard = 1}, data);
  EXPECT_LT(alone.back(), alone.front());
  for (const int ranks : {2, 3, 4}) {
    expect_near(losses_of_threads(config, {.shard = ranks}, data), alone);
  }
}

// Loss and norm of every step and the loss at the end, as the last copy has them.
std::vector<double> results_of_threads(const config::TrainConfig& config,
                                       const test::MeshSize& size, const TextData& data,
                                       const std::string& weights) {
  std::vector<double> result;
  test::run_mesh_ranks(size, [&](const distributed::Mesh& mesh) {
    Trainer trainer(config, mesh, data);
    std::vector<double> own;
    for (int step = 1; step <= kSteps; ++step) {
      const StepResult outcome = trainer.step();
      own.insert(own.end(), {outcome.loss, outcome.grad_norm});
    }
    own.push_back(trainer.validate().value());
    trainer.write_weights(weights);
    if (mesh.rank() == mesh.size() - 1) result = own;
  });
  return result;
}

// Clipped in every step: a norm that counts copies twice changes the losses too. Muon's
// steps depend on how a matrix is cut, not on copies.
TEST(TrainerTest, LossesNormsAndWeightsDoNotDependOnCopiesOfTheModel) {
  const test::ScratchDir folder;
  const std::string weights = folder.path() / "weights";
  const TextData data({.path = write_text(folder.path()), .context = 16});
  for (const char* optimizer : {"adamw", "muon"}) {
    auto config = small_config(optimizer);
    config.train.clip_norm = 0.1;
    for (const int shards : {1, 2, 4}) {
      const test::MeshSize one_copy{.shard =
                                        config.optimizer.name == "muon" ? shards : 1};
      const test::MeshSize copies{.shard = shards, .replicate = 4 / shards};
      const auto expected =
          results_of_threads(config, one_copy, data, weights + "_expected");
      const auto results = results_of_threads(config, copies, data, weights);
      ASSERT_EQ(results.size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_NEAR(results[i], expected[i], kCopiesTolerance * std::abs(expected[i]))
            << optimizer << ", " << shards << " shards, value " << i;
      }
      expect_weights_near(weights, weights + "_expected");
    }
  }
}

}  // namespace
}  // namespace shardopt::train
