#include "shardopt/distributed/layout.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace shardopt::distributed {
namespace {

// What torch.chunk gives each of `ranks` ranks; it returns no chunk for the last ones
// if there are too few rows.
std::vector<int64_t> offsets_by_torch(int64_t rows, int ranks) {
  const std::vector<at::Tensor> chunks = at::arange(rows).chunk(ranks);
  std::vector<int64_t> offsets{0};
  for (int rank = 0; rank < ranks; ++rank) {
    const bool has_chunk = rank < static_cast<int>(chunks.size());
    offsets.push_back(offsets.back() + (has_chunk ? chunks[rank].size(0) : 0));
  }
  return offsets;
}

TEST(LayoutTest, CutsLikeTorchChunk) {
  for (int64_t rows = 0; rows <= 20; ++rows) {
    for (int ranks = 1; ranks <= 8; ++ranks) {
      EXPECT_EQ(chunk_offsets(rows, ranks), offsets_by_torch(rows, ranks))
          << rows << " rows over " << ranks << " ranks";
    }
  }
}

// ceil(5 / 4) = 2: pieces of 2, 2, 1 and none.
TEST(LayoutTest, LeavesTrailingRanksEmpty) {
  EXPECT_EQ(chunk_offsets(5, 4), (std::vector<int64_t>{0, 2, 4, 5, 5}));
}

TEST(LayoutTest, ScalarIsOneRowOnRankZero) {
  EXPECT_EQ(row_count({"scale", {}}), 1);
  EXPECT_EQ(chunk_offsets(1, 3), (std::vector<int64_t>{0, 1, 1, 1}));
}

TEST(LayoutTest, RowsLayoutCutsEveryParameterByItself) {
  const std::vector<ParameterShape> shapes{
      {"weight", {5, 7}}, {"scale", {}}, {"empty", {0, 4}}};

  const Cuts cuts = rows_layout()(shapes, 2);

  EXPECT_EQ(cuts, (Cuts{{0, 3, 5}, {0, 1, 1}, {0, 0, 0}}));
}

TEST(LayoutTest, RejectsNegativeRowsAndNoRanks) {
  EXPECT_THROW((void)chunk_offsets(-1, 2), c10::Error);
  EXPECT_THROW((void)chunk_offsets(3, 0), c10::Error);
}

}  // namespace
}  // namespace shardopt::distributed
