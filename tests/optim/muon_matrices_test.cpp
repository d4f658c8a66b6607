// Which matrices Muon sees in a parameter, and what is done to each.
#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/core/coefficients.h"
#include "shardopt/core/error.h"
#include "shardopt/optim/muon.h"

namespace shardopt::optim {
namespace {

at::Tensor wave(at::IntArrayRef sizes, double phase = 0.0) {
  return (at::arange(c10::multiply_integers(sizes), at::kDouble) * 1.3 + phase)
      .sin()
      .view(sizes);
}

// What one step without decay, lr 1, takes from zeros; the last of `gradients`.
at::Tensor update(const std::vector<at::Tensor>& gradients, MuonOptions options) {
  options.lr = 1.0;
  const at::Tensor w = at::zeros_like(gradients.front());
  Muon muon(group_of({whole("w", w)}, options));
  at::Tensor before;
  for (const at::Tensor& gradient : gradients) {
    before = w.clone();
    w.mutable_grad() = gradient.clone();
    muon.step();
  }
  return before - w;
}

TEST(MuonMatricesTest, BatchedSlicesAreOrthogonalizedAlone) {
  const at::Tensor experts = wave({3, 4, 2});
  const at::Tensor batched = update({experts}, {.flatten = Flatten::kBatched});
  for (int64_t e = 0; e < 3; ++e) {
    expect_near(batched[e], update({experts[e].clone()}, {}), 1e-14);
  }
  const at::Tensor conv = wave({4, 3, 2, 2});
  expect_near(update({conv}, {.flatten = Flatten::kBatched3d}), update({conv}, {}),
              0.0);
  expect_near(update({experts}, {.flatten = Flatten::kBatched3d}), batched, 0.0);
}

TEST(MuonMatricesTest, HwioConvolutionsAreOutByRest) {
  const at::Tensor oihw = wave({5, 3, 2, 2});
  const at::Tensor hwio = oihw.permute({2, 3, 1, 0}).contiguous();
  const at::Tensor out = update({hwio}, {.flatten = Flatten::kConvHwio});
  // Columns in another order: h w in instead of in h w.
  expect_near(out.permute({3, 2, 0, 1}), update({oihw}, {}), 1e-13);
}

TEST(MuonMatricesTest, RowBlocksAreMatricesOfTheirOwn) {
  const at::Tensor qkv = wave({7, 4});
  const MuonOptions options{
      .row_blocks = "4, 2, 1", .row_blocks_pattern = "^w$", .normuon = true};
  const at::Tensor blocks = update({qkv, qkv.cos()}, options);
  int64_t first = 0;
  for (const int64_t rows : {4, 2, 1}) {
    const auto part = [&](const at::Tensor& whole) {
      return whole.narrow(0, first, rows).clone();
    };
    expect_near(part(blocks), update({part(qkv), part(qkv.cos())}, {.normuon = true}),
                1e-13);
    first += rows;
  }
}

// O^ = O / (sqrt(v) + eps), with the norm of O: in the first step v = 0.05 mean O^2.
TEST(MuonMatricesTest, NorMuonEvensOutRows) {
  const at::Tensor g = wave({4, 6}) * at::tensor({1.0, 0.01, 3.0, 0.5}).unsqueeze(1);
  const at::Tensor o = update({g}, {});
  const at::Tensor v = o.square().mean(-1, true) * 0.05;
  const at::Tensor even = o / (v.sqrt() + 1e-8);
  expect_near(update({g}, {.normuon = true}), even * (o.norm() / even.norm()), 1e-12);
}

TEST(MuonMatricesTest, AdaptiveMultipliesByTheDualNorm) {
  const at::Tensor g = wave({3, 5}) * 4.0;
  const at::Tensor o = update({g}, {.nesterov = false});
  const double dual = (g * o).sum().item<double>();
  const auto adaptive = [&](const at::Tensor& gradient, Adaptive how) {
    return update({gradient}, {.nesterov = false, .adaptive = how});
  };
  ASSERT_GT(dual, 1.0);
  expect_near(adaptive(g, Adaptive::kDual), o * dual, 1e-12);
  expect_near(adaptive(g, Adaptive::kClip01), o, 1e-12);
  expect_near(adaptive(g, Adaptive::kClip11), o, 1e-12);
  expect_near(adaptive(g * (0.1 / dual), Adaptive::kClip01), o * 0.1, 1e-12);
}

TEST(MuonMatricesTest, ScalesByEachRule) {
  const at::Tensor g = wave({6, 2});
  const at::Tensor bare = update({g}, {.scale = MuonScale::kNone});
  const auto ratio = [&](const MuonOptions& options) {
    return (update({g}, options) / bare).mean().item<double>();
  };
  const double tall = std::sqrt(3.0);
  EXPECT_NEAR(ratio({.scale = MuonScale::kAspect}), tall, 1e-12);
  EXPECT_NEAR(ratio({.scale = MuonScale::kAspectFlat}), tall, 1e-12);
  EXPECT_NEAR(ratio({.scale = MuonScale::kAspect01}), tall, 1e-12);
  EXPECT_NEAR(ratio({.scale = MuonScale::kOptax}), tall, 1e-12);
  EXPECT_NEAR(ratio({.scale = MuonScale::kRms, .rms = 0.2}), 0.2 * std::sqrt(6.0),
              1e-12);
  EXPECT_NEAR(ratio({.scale = MuonScale::kNone, .scale_constant = 0.25}), 0.25, 1e-12);
  // [8, 3, 2, 2]: last two dimensions 1, flattened 8 : 12, first two 8 : 3.
  const at::Tensor conv = wave({8, 3, 2, 2});
  const at::Tensor plain = update({conv}, {.scale = MuonScale::kNone});
  expect_near(update({conv}, {.scale = MuonScale::kAspect}), plain, 1e-15);
  expect_near(update({conv}, {.scale = MuonScale::kAspectFlat}), plain, 1e-15);
  expect_near(update({conv}, {.scale = MuonScale::kAspect01}),
              plain * std::sqrt(8.0 / 3.0), 1e-12);
}

TEST(MuonMatricesTest, MomentumFormsDifferAsTheirFormulasSay) {
  const at::Tensor g1 = wave({3, 4});
  const at::Tensor g2 = wave({3, 4}, 0.7);
  const double b = 0.95;
  const at::Tensor m1 = g1 * (1.0 - b);
  const at::Tensor m2 = m1 * b + g2 * (1.0 - b);
  const auto msign = [](const at::Tensor& u) { return update({u}, {.momentum = 0.0}); };
  const auto second = [&](MomentumForm form, bool nesterov) {
    return update({g1, g2}, {.nesterov = nesterov, .momentum_form = form});
  };
  const double tight = 1e-12;
  for (const auto form : {MomentumForm::kHeavyBall, MomentumForm::kEma}) {
    expect_near(second(form, true), msign(g2 * (1.0 - b) + m2 * b), tight);
    expect_near(second(form, false), msign(m2), tight);
  }
  expect_near(second(MomentumForm::kS0Legacy, true), msign(g2 + m2 * b), tight);
  const double b2 = b * b;
  expect_near(second(MomentumForm::kOptax, true),
              msign(m2 * (b / (1.0 - b2 * b)) + g2 * ((1.0 - b) / (1.0 - b2))), tight);
  expect_near(second(MomentumForm::kOptax, false), msign(m2), tight);
}

TEST(MuonMatricesTest, TakesItsCoefficientsByNameOrRows) {
  const at::Tensor g = wave({3, 4});
  std::string rows;
  for (const auto& [a, b, c] : coefficient_steps("acc6", std::nullopt)) {
    rows += c10::str(rows.empty() ? "" : ";", to_string(OptionValue(a)), ",",
                     to_string(OptionValue(b)), ",", to_string(OptionValue(c)));
  }
  const at::Tensor by_name = update({g}, {.coefficients = "acc6"});
  expect_near(by_name, update({g}, {.coefficient_rows = rows}), 0.0);
  EXPECT_FALSE(at::allclose(by_name, update({g}, {})));
  const at::Tensor half = update({g}, {.ns_dtype = NsDtype::kBf16});
  EXPECT_EQ(half.scalar_type(), at::kDouble);
  expect_near(half, update({g}, {}), 0.05);
  EXPECT_FALSE(at::equal(half, update({g}, {})));
}

std::string problem(const MuonOptions& options) {
  return message_of<ConfigError>([&] { options.validate(); });
}

TEST(MuonMatricesTest, NamesOptionsThatDoNotFit) {
  expect_contains(problem({.coefficients = "acc6", .steps = 5}), "acc6");
  expect_contains(problem({.coefficient_rows = "1,2,3", .steps = 5}),
                  "muon: steps is 5, but coefficient_rows");
  expect_contains(problem({.coefficient_rows = "1,2"}), "row");
  expect_contains(problem({.flatten = Flatten::kConvHwio, .normuon = true}),
                  "conv_hwio', with normuon");
  expect_contains(problem({.row_blocks = "4,x", .row_blocks_pattern = "w"}),
                  "optimizer.muon.row_blocks is '4,x'; allowed: numbers of rows");
  expect_contains(problem({.row_blocks = "4"}), "allowed: both or none");
  expect_contains(problem({.min_dimensions = 3, .max_dimensions = 2}),
                  "max_dimensions is 2; allowed: >= min_dimensions, 3");
}

TEST(MuonMatricesTest, RefusesBlocksAndCutsThatItCannotTrain) {
  const auto error = [](const Parameter& parameter, const MuonOptions& options) {
    return message_of<ConfigError>(
        [&] { const Muon muon(group_of({parameter}, options)); });
  };
  expect_contains(
      error(whole("w", wave({5, 2})), {.row_blocks = "2,2", .row_blocks_pattern = "w"}),
      "sum up to 4 rows, but 'w' has 5");
  expect_contains(error(whole("w", wave({3, 2, 4})), {.flatten = Flatten::kBatched,
                                                      .row_blocks = "1,2",
                                                      .row_blocks_pattern = "w"}),
                  "row_blocks hold for 'w', which flatten makes a batch");
  const Parameter cut{"w", wave({2, 2}), Shard({0, 2, 4}, 0)};
  expect_contains(error(cut, {.adaptive = Adaptive::kDual}),
                  "optimizer.muon.adaptive is on, but 'w' is cut over ranks");
  const Parameter entire{"w", wave({4, 2}), Shard({0, 4, 4}, 0)};
  EXPECT_EQ(error(entire, {.adaptive = Adaptive::kDual}), "");
  EXPECT_EQ(error(cut, {.adaptive = Adaptive::kDual,
                        .row_blocks = "2,2",
                        .row_blocks_pattern = "w"}),
            "");
}

}  // namespace
}  // namespace shardopt::optim
