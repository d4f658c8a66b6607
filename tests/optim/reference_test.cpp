// Ten updates against PyTorch's own optimizers in float64.
#include "reference/optim_reference.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/optim/adam.h"
#include "shardopt/optim/lion.h"
#include "shardopt/optim/muon.h"

namespace shardopt::optim {
namespace {

// Rounding of ten updates in float64, at numbers of size 1.
constexpr double kRounding = 1e-12;

at::Tensor table(const double (&numbers)[12]) {
  return at::tensor(at::ArrayRef<double>(numbers), at::kDouble).view({4, 3});
}

template <typename Algorithm, typename Options>
void expect_end(const Options& options, const double (&expected)[12]) {
  const at::Tensor i = at::arange(12, at::kDouble);
  const at::Tensor weight = (i * 0.9).cos().view({4, 3}).contiguous();
  Algorithm optimizer(group_of({whole("w", weight)}, options));
  for (int step = 1; step <= reference::kSteps; ++step) {
    weight.mutable_grad() = (i * 1.3 + 0.7 * step).sin().view({4, 3}) + 0.1 * weight;
    optimizer.step();
  }
  expect_near(weight, table(expected), kRounding);
}

TEST(ReferenceTest, AdamWEqualsPyTorchs) {
  expect_end<Adam>(AdamOptions{.lr = reference::kLr,
                               .weight_decay = reference::kDecay,
                               .beta1 = 0.9,
                               .beta2 = 0.95},
                   reference::kAdamW);
}

TEST(ReferenceTest, LionEqualsItsPaper) {
  expect_end<Lion>(LionOptions{.lr = reference::kLr, .weight_decay = reference::kDecay},
                   reference::kLion);
}

// PyTorch's momentum is (1 - momentum) times ours, which a scale-free Newton-Schulz
// does not see.
TEST(ReferenceTest, MuonEqualsPyTorchsWithoutItsRounding) {
  const auto options = [](bool nesterov, MuonScale scale) {
    return MuonOptions{.lr = reference::kLr,
                       .weight_decay = reference::kDecay,
                       .nesterov = nesterov,
                       .scale = scale};
  };
  expect_end<Muon>(options(true, MuonScale::kAspectFlat), reference::kMuonAspect);
  expect_end<Muon>(options(true, MuonScale::kRms), reference::kMuonRms);
  expect_end<Muon>(options(false, MuonScale::kAspectFlat), reference::kMuonAspectPlain);
  expect_end<Muon>(options(false, MuonScale::kRms), reference::kMuonRmsPlain);
}

}  // namespace
}  // namespace shardopt::optim
