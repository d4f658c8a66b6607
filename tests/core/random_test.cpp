#include "shardopt/core/random.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>

namespace shardopt {
namespace {

at::Tensor drawn(uint64_t seed, std::string_view name) {
  return at::randn({64}, make_named_generator(seed, name));
}

// The first two outputs of splitmix64 from state 0, as published with it.
TEST(MixTest, IsSplitmix64) {
  EXPECT_EQ(mix(0, uint64_t{0}), 0xE220A8397B1DCDAFULL);
  EXPECT_EQ(mix(0, uint64_t{1}), 0x6E789E6AA1B965F4ULL);
}

TEST(MixTest, TellsTextsApart) {
  const std::set<uint64_t> values{mix(1, "a"),
                                  mix(1, "b"),
                                  mix(1, "ab"),
                                  mix(1, "ba"),
                                  mix(1, ""),
                                  mix(2, "a"),
                                  mix(1, std::string_view("\0", 1))};
  EXPECT_EQ(values.size(), 7U);
}

TEST(NamedGeneratorTest, SameSeedAndNameDrawTheSame) {
  EXPECT_TRUE(at::equal(drawn(7, "layer.0.weight"), drawn(7, "layer.0.weight")));
}

TEST(NamedGeneratorTest, AnotherSeedOrNameDrawsSomethingElse) {
  EXPECT_FALSE(at::equal(drawn(7, "layer.0.weight"), drawn(8, "layer.0.weight")));
  EXPECT_FALSE(at::equal(drawn(7, "layer.0.weight"), drawn(7, "layer.1.weight")));
}

}  // namespace
}  // namespace shardopt
