#include "train/weights_file.h"

#include <filesystem>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "shardopt/checkpoint/safetensors.h"
#include "shardopt/core/error.h"
#include "support/scratch_dir.h"

namespace shardopt::train {
namespace {

using Names = std::vector<std::string>;

// A model of which this is rank 1 of 2: rows 1 and 2 of `w`, no row of `bias`.
StateTree half_model() {
  StateTree model{.kind = "model"};
  const auto add = [&](const std::string& name, at::Tensor rows,
                       std::vector<int64_t> offsets, Names aliases = {}) {
    model.tensors.emplace(name, StateTensor{std::move(rows), Spread::kCut,
                                            Shard(std::move(offsets), 1), aliases});
  };
  add("w", at::zeros({2, 4}), {0, 1, 3}, {"head"});
  add("bias", at::zeros({0}), {0, 2, 2});
  add("scale", at::zeros({1}), {0, 0, 1});
  model.values.emplace("scale.is_scalar", true);
  return model;
}

class WeightsFileTest : public testing::Test {
 protected:
  void write(const std::map<std::string, at::Tensor>& tensors) const {
    checkpoint::write_safetensors(path(), {.tensors = tensors});
  }
  std::string path() const { return scratch_.path() / "w.safetensors"; }

  std::string refusal(config::ModelOptions options = {}) const {
    options.init = path();
    StateTree model = half_model();
    try {
      (void)read_weights_file(options, model);
    } catch (const CheckpointError& error) {
      EXPECT_TRUE(at::equal(model.tensors.at("w").tensor, at::zeros({2, 4})));
      const std::string text = error.what_without_backtrace();
      const std::string begin = "model.init is '" + path() + "', which does not fit: ";
      EXPECT_TRUE(text.starts_with(begin)) << text;
      return text.substr(std::min(begin.size(), text.size()));
    }
    return "(none)";
  }

  const at::Tensor w_ = at::arange(12, at::kFloat).view({3, 4});
  const test::ScratchDir scratch_;
};

TEST_F(WeightsFileTest, EachRankTakesItsRows) {
  write({{"w", w_}, {"bias", at::ones({2})}, {"scale", at::scalar_tensor(5.0)}});
  const StateTree model = half_model();
  EXPECT_EQ(read_weights_file({.init = path()}, model), Names{});
  EXPECT_TRUE(at::equal(model.tensors.at("w").tensor, w_.narrow(0, 1, 2)));
  EXPECT_EQ(model.tensors.at("scale").tensor.item<float>(), 5.0F);
}

TEST_F(WeightsFileTest, ATiedWeightMayHaveAnyOfItsNamesOrAll) {
  for (const Names& names : {Names{"head"}, Names{"w", "head"}}) {
    std::map<std::string, at::Tensor> tensors{{"bias", at::ones({2})},
                                              {"scale", at::scalar_tensor(5.0)}};
    for (const std::string& name : names) tensors.emplace(name, w_);
    write(tensors);
    const StateTree model = half_model();
    (void)read_weights_file({.init = path()}, model);
    EXPECT_TRUE(at::equal(model.tensors.at("w").tensor, w_.narrow(0, 1, 2)));
  }
}

TEST_F(WeightsFileTest, ListsEveryDifference) {
  write({{"w", w_.t().contiguous()}, {"other", w_}, {"scale", at::ones({1})}});
  EXPECT_EQ(refusal(),
            "model/bias: missing in the file; model/scale: the file has f32 [1], here "
            "f32 []; model/w: the file has f32 [4, 3], here f32 [3, 4]; model/other: "
            "unknown here");
}

TEST_F(WeightsFileTest, PatternsAllowWhatTheyName) {
  write({{"w", w_}, {"other", w_}, {"scale", at::scalar_tensor(5.0)}});
  const StateTree model = half_model();
  EXPECT_EQ(read_weights_file({.init = path(),
                               .init_allow_missing = "model/b?as",
                               .init_ignore = "model/oth*, model/scale"},
                              model),
            (Names{"model/bias", "model/scale"}));
  EXPECT_EQ(model.tensors.at("scale").tensor.item<float>(), 0.0F);
  EXPECT_EQ(model.tensors.at("w").tensor[0][0].item<float>(), 4.0F);
}

TEST_F(WeightsFileTest, APatternThatMatchesNothingIsAMistake) {
  write({{"w", w_}, {"bias", at::ones({2})}, {"scale", at::scalar_tensor(5.0)}});
  EXPECT_EQ(refusal({.init_allow_missing = "head.*", .init_ignore = "model/x*"}),
            "model.init_allow_missing 'head.*' matches nothing; model.init_ignore "
            "'model/x*' matches nothing");
}

TEST_F(WeightsFileTest, ConvertsTypesOnlyWhereTold) {
  write({{"w", w_.to(at::kBFloat16)},
         {"bias", at::ones({2})},
         {"scale", at::scalar_tensor(5.0)}});
  EXPECT_EQ(refusal(), "model/w: the file has bf16 [3, 4], here f32 [3, 4]");
  EXPECT_EQ(refusal({.init_cast = "f16:f32"}),
            "model/w: the file has bf16 [3, 4], here f32 [3, 4]");
  const StateTree model = half_model();
  (void)read_weights_file({.init = path(), .init_cast = "f16:f32, bf16:f32"}, model);
  EXPECT_TRUE(at::equal(model.tensors.at("w").tensor, w_.narrow(0, 1, 2)));
}

}  // namespace
}  // namespace shardopt::train
