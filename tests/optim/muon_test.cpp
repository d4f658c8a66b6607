#include "shardopt/optim/muon.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

// Muon without decay, with `lr` 1 and one Newton-Schulz step unless said.
MuonOptions short_muon() { return {.lr = 1.0, .weight_decay = 0.0, .steps = 1}; }

// Worked by hand: g = 2 I / sqrt(2) has Frobenius norm 2, so X0 = I / sqrt(2); singular
// values s = 1 / sqrt(2) become p(s) = s (a + b / 2 + c / 4) = s * 1.564875.
TEST(MuonTest, FirstStepSubtractsPolynomialOfSingularValues) {
  const at::Tensor w = at::zeros({2, 2}, at::kDouble);
  w.mutable_grad() = at::eye(2, at::kDouble) * std::sqrt(2.0);
  Muon muon(group_of({whole("w", w)}, short_muon()));

  muon.step();

  expect_near(w, at::eye(2, at::kDouble) * (-1.564875 / std::sqrt(2.0)), 1e-12);
}

// 8 x 2: aspect_flat sqrt(8 / 2) = 2; rms c = 0.3 gives 0.3 sqrt(8).
TEST(MuonTest, ScalesByFlattenedShape) {
  const auto update = [](std::vector<int64_t> sizes, MuonOptions options) {
    const at::Tensor w = at::zeros(sizes, at::kDouble);
    w.mutable_grad() = at::arange(16, at::kDouble).sin().view(sizes);
    Muon muon(group_of({whole("w", w)}, std::move(options)));
    muon.step();
    return w.reshape({8, 2});
  };
  MuonOptions rms = short_muon();
  rms.scale = MuonScale::kRms;
  rms.rms = 0.3;
  const at::Tensor by_aspect = update({8, 2}, short_muon());
  const at::Tensor by_rms = update({8, 2}, rms);

  expect_near(by_rms * 2.0, by_aspect * (0.3 * std::sqrt(8.0)), 1e-12);
  // The same matrix as [8, 2, 1]: flattened to [8, 2], not a batch.
  expect_near(update({8, 2, 1}, short_muon()), by_aspect, 1e-15);
  // [2, 8] flattened from [2, 2, 4]: wide, so factor 1.
  expect_near(update({2, 2, 4}, short_muon()), update({2, 8}, short_muon()), 1e-15);
}

TEST(MuonTest, BatchOfOneShapeEqualsSingles) {
  const auto grad = [](int64_t i) {
    return (at::arange(12, at::kDouble) * (1.0 + 0.3 * i)).sin().view({3, 4});
  };
  std::vector<Parameter> batch;
  for (int64_t i = 0; i < 3; ++i) {
    batch.push_back(ones("w" + std::to_string(i), 3, 4));
    batch.back().rows.mutable_grad() = grad(i);
  }
  Muon muon(group_of(batch, MuonOptions{}));
  muon.step();

  for (int64_t i = 0; i < 3; ++i) {
    const Parameter single = ones("w", 3, 4);
    single.rows.mutable_grad() = grad(i);
    Muon alone(group_of({single}, MuonOptions{}));
    alone.step();
    expect_near(batch[i].rows, single.rows, 1e-14);
  }
}

TEST(MuonTest, ZeroGradientOnlyDecays) {
  const Parameter w = ones("w");
  w.rows.mutable_grad() = at::zeros({2, 3}, at::kDouble);
  Muon muon(group_of({w}, MuonOptions{.lr = 0.5, .weight_decay = 0.5}));
  muon.step();
  expect_near(w.rows, at::full({2, 3}, 0.75, at::kDouble), 0.0);
}

TEST(MuonTest, WorksWithoutMatrixAndWithEmptyGroupsAndShards) {
  const at::Tensor none = at::zeros({0, 2, 3});
  none.mutable_grad() = none.clone();
  const at::Tensor vector = at::ones({3});
  vector.mutable_grad() = at::ones({3});
  const Parameter cut{"cut", none, Shard({0, 4, 4}, 1)};
  Muon muon(
      {{"empty", {}, {}}, {"vector", {whole("v", vector)}, {}}, {"cut", {cut}, {}}});
  muon.step();
  EXPECT_EQ(muon.step_count("cut"), 1);
  EXPECT_EQ(muon.step_count("v"), 1);
  EXPECT_LT(vector.max().item<double>(), 1.0);
}

// v trains by the internal AdamW, whose first step without decay is its lr.
double first_step_of_vector(const MuonOptions& options, double lr_factor) {
  const at::Tensor vector = at::zeros({1}, at::kDouble);
  vector.mutable_grad() = at::ones({1}, at::kDouble);
  Muon muon(group_of({whole("v", vector)}, options));
  muon.set_lr_factor(lr_factor);
  muon.step();
  return -vector.item<double>();
}

TEST(MuonTest, InternalAdamWUsesMuonsLrOrItsOwnTimesFactor) {
  const MuonOptions same{.lr = 0.4};
  MuonOptions own = same;
  own.adamw.lr = 0.1;
  EXPECT_NEAR(first_step_of_vector(same, 1.0), 0.4, 1e-8);
  EXPECT_NEAR(first_step_of_vector(same, 0.5), 0.2, 1e-8);
  EXPECT_NEAR(first_step_of_vector(own, 1.0), 0.1, 1e-8);
  EXPECT_NEAR(first_step_of_vector(own, 0.5), 0.05, 1e-8);
}

TEST(MuonTest, ZeroGradReachesTheInternalAdamW) {
  const Parameter matrix = ones("w");
  const Parameter vector = whole("v", at::ones({3}, at::kDouble));
  Muon muon(group_of({matrix, vector}, MuonOptions{}));
  matrix.rows.mutable_grad() = at::ones({2, 3}, at::kDouble);
  vector.rows.mutable_grad() = at::ones({3}, at::kDouble);
  muon.zero_grad();
  EXPECT_FALSE(matrix.rows.grad().defined());
  EXPECT_FALSE(vector.rows.grad().defined());
}

}  // namespace
}  // namespace shardopt::optim
