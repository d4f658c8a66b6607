// Every optimizer with each thing that may be combined with it: on 2, 3 and 4 ranks as
// on one, over 20 steps.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "optim/sharded_training.h"
#include "shardopt/optim/optimizer_registry.h"
#include "support/thread_meshes.h"

namespace shardopt::optim {
namespace {

constexpr double kDoubleTolerance = 1e-12;
constexpr double kFloatTolerance = 1e-6;
constexpr int kSteps = 20;

struct Companion {
  std::string name;
  void (*add)(Recipe&);
};

const std::vector<Companion>& companions() {
  static const std::vector<Companion> table = {
      {"nothing", [](Recipe&) {}},
      {"caution", [](Recipe& recipe) { recipe.config.rules.caution = true; }},
      {"cautious_decay",
       [](Recipe& recipe) { recipe.config.rules.cautious_decay = true; }},
      {"orthograd",
       [](Recipe& recipe) { recipe.transforms = {{.name = "orthograd"}}; }},
      {"grokfast_ema",
       [](Recipe& recipe) { recipe.transforms = {{.name = "grokfast_ema"}}; }},
      {"grokfast_ma",
       [](Recipe& recipe) {
         recipe.transforms = {{.name = "grokfast_ma", .window = 3}};
       }},
      {"clip_norm",
       [](Recipe& recipe) {
         recipe.transforms = {{.name = "clip_norm", .max_norm = 0.5}};
       }},
      {"clip_global_norm",
       [](Recipe& recipe) {
         recipe.transforms = {{.name = "clip_global_norm", .max_norm = 0.5}};
       }},
      {"average",
       [](Recipe& recipe) {
         recipe.average = {
             .mode = AverageMode::kEma, .momentum = 0.9, .overwrite_every = 7};
       }},
  };
  return table;
}

class CombinationTest
    : public testing::TestWithParam<std::tuple<std::string, Companion>> {
 protected:
  static Recipe recipe() {
    const auto& [algorithm, companion] = GetParam();
    Recipe recipe{.config = {.name = algorithm, .lr = 0.01, .weight_decay = 0.1},
                  .steps = kSteps};
    recipe.config.sgd.momentum = 0.9;
    companion.add(recipe);
    return recipe;
  }

  // Muon's matrices have to lie whole on single ranks.
  static Cuts cuts(int ranks) {
    return std::get<0>(GetParam()) == "muon" ? whole_cuts(ranks)
                                             : random_cuts(ranks, ranks);
  }

  // The largest difference from one rank, and entries that differ by more than
  // `tolerance` as a share of all.
  struct Difference {
    double largest = 0.0;
    double share = 0.0;
  };
  static Difference compare(at::ScalarType dtype, int ranks, double tolerance) {
    const std::vector<at::Tensor> alone = train_on_one(recipe(), dtype);
    Difference result;
    test::run_mesh_ranks(ranks, [&](const distributed::Mesh& mesh) {
      const auto sharded = train(recipe(), cuts(ranks), mesh, dtype);
      if (mesh.rank() != 0) return;
      double far = 0.0;
      double all = 0.0;
      for (std::size_t p = 0; p < alone.size(); ++p) {
        const at::Tensor difference = (sharded[p] - alone[p]).abs();
        result.largest = std::max(result.largest, difference.max().item<double>());
        far += difference.gt(tolerance).sum().item<double>();
        all += static_cast<double>(difference.numel());
      }
      result.share = far / all;
    });
    return result;
  }
};

TEST_P(CombinationTest, IsTheSameOnAnyNumberOfRanksInFloat64) {
  for (const int ranks : {2, 3, 4}) {
    EXPECT_LE(compare(at::kDouble, ranks, kDoubleTolerance).largest, kDoubleTolerance)
        << ranks << " ranks";
  }
}

// Where a sum over ranks is rounded otherwise, a sign may flip, by Lion or caution:
// such entries are counted, and few.
TEST_P(CombinationTest, IsTheSameOnThreeRanksInFloat32ButForFlippedSigns) {
  const auto& [algorithm, companion] = GetParam();
  const Difference difference = compare(at::kFloat, 3, kFloatTolerance);
  const bool may_flip = algorithm == "lion" || companion.name == "caution" ||
                        companion.name == "cautious_decay";
  RecordProperty("share_of_flips", std::to_string(difference.share));
  if (may_flip) {
    EXPECT_LE(difference.share, 0.01);
  } else {
    EXPECT_LE(difference.largest, kFloatTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, CombinationTest,
    testing::Combine(testing::ValuesIn(make_optimizer_registry().names()),
                     testing::ValuesIn(companions())),
    [](const auto& instance) {
      return std::get<0>(instance.param) + "_with_" + std::get<1>(instance.param).name;
    });

}  // namespace
}  // namespace shardopt::optim
