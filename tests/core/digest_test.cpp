#include "shardopt/core/digest.h"

#include <set>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace shardopt {
namespace {

TEST(DigestTest, TellsEveryBitOfATensorApart) {
  at::Tensor tensor = at::arange(5, at::kFloat);  // 20 bytes: two words and a half
  std::set<uint64_t> seen{digest(tensor)};
  auto* bytes = static_cast<unsigned char*>(tensor.mutable_data_ptr());
  for (int bit = 0; bit < 160; ++bit) {
    bytes[bit / 8] ^= 1U << (bit % 8);
    seen.insert(digest(tensor));
    bytes[bit / 8] ^= 1U << (bit % 8);
  }
  EXPECT_EQ(seen.size(), 161U);
}

TEST(DigestTest, SignsOfNeighboursDoNotCancel) {
  std::set<uint64_t> seen;
  for (int signs = 0; signs < 64; ++signs) {
    at::Tensor tensor = at::arange(1, 7, at::kFloat);
    for (int i = 0; i < 6; ++i) {
      if ((signs >> i & 1) != 0) tensor[i].neg_();
    }
    seen.insert(digest(tensor));
  }
  EXPECT_EQ(seen.size(), 64U);
}

TEST(DigestTest, TellsShapesAndDtypesOfTheSameBytesApart) {
  const at::Tensor zeros = at::zeros({6});
  const std::set<uint64_t> seen{digest(zeros), digest(zeros.view({2, 3})),
                                digest(zeros.view({3, 2})),
                                digest(zeros.view(at::kInt)), digest(at::zeros({7}))};
  EXPECT_EQ(seen.size(), 5U);
}

TEST(DigestTest, DependsOnValuesAndNotOnMemory) {
  const at::Tensor tensor = at::arange(6, at::kFloat).view({2, 3});
  EXPECT_EQ(digest(tensor), digest(tensor.clone()));
  EXPECT_EQ(digest(tensor), digest(tensor.t().contiguous().t()));
  EXPECT_NE(digest(tensor), digest(tensor.t().contiguous().view({2, 3})));
}

TEST(DigestTest, TellsTextsApartAlsoByZerosAtTheirEnd) {
  const std::set<uint64_t> seen{digest(""),
                                digest(std::string(1, '\0')),
                                digest(std::string(2, '\0')),
                                digest("a"),
                                digest("b"),
                                digest("aaaaaaaaa")};
  EXPECT_EQ(seen.size(), 6U);
  EXPECT_EQ(digest("abc"), digest("abc"));
}

TEST(DigestTest, TakesEmptyTensors) {
  EXPECT_NE(digest(at::empty({0, 3})), digest(at::empty({0, 2})));
}

}  // namespace
}  // namespace shardopt
