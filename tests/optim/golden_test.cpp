// Golden vectors of three updates in float64, made by an independent program: the
// printed digits are the tolerance.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/optim/adam.h"
#include "shardopt/optim/lion.h"
#include "shardopt/optim/muon.h"

namespace shardopt::optim {
namespace {

constexpr double kPrinted = 1e-9;
constexpr double kNsEps = 1e-7;  // of the vectors with Newton-Schulz

at::Tensor wide(const std::vector<double>& numbers) {
  return at::tensor(numbers, at::kDouble).view({2, 3});
}

at::Tensor tall(const std::vector<double>& numbers) {
  return at::tensor(numbers, at::kDouble).view({3, 2});
}

at::Tensor initial_weight() { return wide({0.5, -0.3, 0.8, -0.2, 0.9, 0.1}); }

std::vector<at::Tensor> gradients() {
  return {wide({0.1, -0.2, 0.3, 0.4, 0.05, -0.6}),
          wide({-0.3, 0.1, 0.2, 0.1, -0.4, 0.5}),
          wide({0.2, 0.3, -0.1, -0.5, 0.2, 0.1})};
}

// Checks the weight after each of the first updates.
template <typename Algorithm, typename Options>
void expect_course(const Options& options, const std::vector<at::Tensor>& expected,
                   bool transposed = false) {
  const auto laid = [&](const at::Tensor& x) {
    return transposed ? x.t().contiguous() : x.clone();
  };
  const at::Tensor weight = laid(initial_weight());
  Algorithm optimizer(group_of({whole("w", weight)}, options));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    weight.mutable_grad() = laid(gradients()[i]);
    optimizer.step();
    if (expected[i].defined()) expect_near(weight, expected[i], kPrinted);
  }
}

TEST(GoldenTest, AdamWFollowsItsVectors) {
  expect_course<Adam>(
      AdamOptions{.lr = 0.1, .weight_decay = 0.01, .beta1 = 0.9, .beta2 = 0.995},
      {wide({0.3995000100, -0.1997000050, 0.6992000033, -0.2997999975, 0.7991000200,
             0.1998999983}),
       wide({0.4484799005, -0.1728505551, 0.6014281320, -0.3826335867, 0.8637699955,
             0.2035129914})});
}

TEST(GoldenTest, LionFollowsItsVectors) {
  expect_course<Lion>(
      LionOptions{.lr = 0.1, .weight_decay = 0.01, .beta1 = 0.9, .beta2 = 0.99},
      {wide({0.3995, -0.1997, 0.6992, -0.2998, 0.7991, 0.1999}),
       wide({0.4991005, -0.2995003, 0.5985008, -0.3995002, 0.8983009, 0.0997001}),
       wide({0.3986013995, -0.3992007997, 0.6979022992, -0.2991006998, 0.7974025991,
             -0.0003996001})});
}

// The third update tells betas apart, which the first two do not.
TEST(GoldenTest, LionsBetasTellInTheThirdUpdate) {
  const at::Tensor third = wide({0.3986013995, -0.3992007997, 0.4979022992,
                                 -0.2991006998, 0.7974025991, -0.0003996001});
  for (const auto& [beta1, beta2] : {std::pair{0.9, 0.95}, std::pair{0.95, 0.98}}) {
    expect_course<Lion>(
        LionOptions{.lr = 0.1, .weight_decay = 0.01, .beta1 = beta1, .beta2 = beta2},
        {{}, {}, third});
  }
}

MuonOptions plain_muon() {  // KempnerForge's
  return {.lr = 0.1, .weight_decay = 0.01, .nesterov = false, .ns_eps = kNsEps};
}

TEST(GoldenTest, PlainMuonFollowsItsVectorsWide) {
  expect_course<Muon>(plain_muon(),
                      {wide({0.4352365952, -0.2384147259, 0.7488036255, -0.2575022434,
                             0.9086976035, 0.1508549051}),
                       wide({0.4724712213, -0.2282908844, 0.6715197953, -0.3387747869,
                             0.9648213350, 0.1679692713})});
}

TEST(GoldenTest, PlainMuonFollowsItsVectorsTall) {
  expect_course<Muon>(plain_muon(),
                      {tall({0.4207937245, -0.2704705266, -0.2246411748, 0.9108546156,
                             0.7374772988, 0.1623067586}),
                       tall({0.4665089019, -0.3700535615, -0.2123094080, 0.9797939360,
                             0.6430039402, 0.1832899430})},
                      /*transposed=*/true);
}

TEST(GoldenTest, RmsScaledNesterovMuonFollowsMoonlightsVectors) {
  expect_course<Muon>(MuonOptions{.lr = 0.1,
                                  .weight_decay = 0.01,
                                  .ns_eps = kNsEps,
                                  .scale = MuonScale::kRms,
                                  .rms = 0.2},
                      {wide({0.4772385045, -0.2784701585, 0.7817421830, -0.2197886448,
                             0.9024247068, 0.1175512998}),
                       wide({0.4954618452, -0.2787415369, 0.7559882956, -0.2398843618,
                             0.9283720627, 0.1015968190})});
}

}  // namespace
}  // namespace shardopt::optim
