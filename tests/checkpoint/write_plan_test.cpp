#include "write_plan.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/state_cases.h"
#include "flat_state.h"

namespace shardopt::checkpoint {
namespace {

struct Ranks {
  int shards = 1;
  int copies = 1;
};

std::vector<std::vector<Piece>> plan_of_all(const Ranks& ranks, int seed) {
  std::vector<std::vector<Piece>> plans;
  for (int rank = 0; rank < ranks.shards * ranks.copies; ++rank) {
    const auto state = make_state(ranks.shards, rank % ranks.shards, seed, rank);
    plans.push_back(plan_pieces(flatten(state), rank, ranks.shards, ranks.copies));
  }
  return plans;
}

// One tensor of each size in bytes, held by every rank.
FlatState replicated(const std::map<std::string, int64_t>& bytes_by_name) {
  StateTree model{.kind = "model"};
  for (const auto& [name, bytes] : bytes_by_name) {
    model.tensors.emplace(name, StateTensor{.tensor = at::zeros({bytes}, at::kByte)});
  }
  StateTree state{.kind = "training"};
  state.children.emplace("model", std::move(model));
  return flatten(state);
}

// "table 0+35, scalar 0+1": names and rows of this rank's pieces.
std::string text_of(const std::vector<Piece>& pieces) {
  std::string text;
  for (const Piece& piece : pieces) {
    text += c10::str(text.empty() ? "" : ", ", piece.name, " ", piece.row_begin, "+",
                     piece.rows);
  }
  return text;
}

TEST(WritePlanTest, PiecesOfAllRanksTileEveryTensorOnce) {
  for (const Ranks ranks : {Ranks{1, 1}, {3, 1}, {1, 3}, {3, 2}}) {
    for (const int seed : {1, -3}) {
      SCOPED_TRACE(c10::str(ranks.shards, "x", ranks.copies, ", cut ", seed));
      std::map<std::string, std::map<int64_t, int64_t>> rows_at;
      for (const auto& pieces : plan_of_all(ranks, seed)) {
        for (const Piece& piece : pieces) {
          const auto [it, is_first] =
              rows_at[piece.name].emplace(piece.row_begin, piece.rows);
          EXPECT_TRUE(is_first) << piece.name << " twice at row " << piece.row_begin;
        }
      }
      for (const FlatTensor& tensor : flatten(make_state(1, 0, 0, 0)).tensors) {
        if (tensor.spread == Spread::kPerRank) continue;
        int64_t next = 0;
        for (const auto& [begin, rows] : rows_at[tensor.name]) {
          EXPECT_EQ(begin, next) << tensor.name;
          next += rows;
        }
        EXPECT_EQ(next, tensor.shape.empty() ? 1 : tensor.shape.front()) << tensor.name;
      }
    }
  }
}

TEST(WritePlanTest, RanksWriteRowsThatTheyHold) {
  for (int rank = 0; rank < 6; ++rank) {
    const FlatState flat = flatten(make_state(3, rank % 3, 1, rank));
    for (const Piece& piece : plan_pieces(flat, rank, 3, 2)) {
      const FlatTensor& tensor = flat.tensors.at(piece.tensor);
      if (tensor.local.numel() == 0 || tensor.local.dim() == 0) continue;
      EXPECT_GE(piece.local_begin, 0);
      EXPECT_LE(piece.local_begin + piece.rows, tensor.local.size(0)) << piece.name;
      if (tensor.spread != Spread::kCut) continue;
      EXPECT_EQ(piece.row_begin - piece.local_begin, tensor.offsets.at(rank % 3));
    }
  }
}

TEST(WritePlanTest, EveryRankWritesItsOwnPerRankTensor) {
  const auto plans = plan_of_all({.shards = 2, .copies = 2}, 0);
  for (int rank = 0; rank < 4; ++rank) {
    const std::string name = c10::str("rng/dropout@0000", rank);
    const auto is_own = [&](const Piece& piece) { return piece.name == name; };
    EXPECT_EQ(std::ranges::count_if(plans.at(rank), is_own), 1);
    EXPECT_NE(text_of(plans.at(rank)).find(c10::str(name, " 0+", 100 + rank)),
              std::string::npos);
  }
}

TEST(WritePlanTest, FirstRankTensorsAndThoseWithoutBytesAreRankZeros) {
  StateTree state{.kind = "training"};
  state.tensors.emplace("mean", StateTensor{at::zeros({3}), Spread::kFirstRank});
  state.tensors.emplace("none", StateTensor{.tensor = at::zeros({0, 4})});
  state.tensors.emplace(
      "flat", StateTensor{at::zeros({1, 0}), Spread::kCut, Shard({0, 0, 1, 1}, 1)});
  const FlatState flat = flatten(state);

  EXPECT_EQ(text_of(plan_pieces(flat, 0, 3, 1)), "flat 0+1, mean 0+3, none 0+0");
  EXPECT_EQ(text_of(plan_pieces(flat, 1, 3, 1)), "");
}

// 3 MiB over four ranks: 768 KiB each, then the small ones to whoever has least.
TEST(WritePlanTest, LargeTensorsAreCutAndSmallOnesDealtWhole) {
  constexpr int64_t kMiB = int64_t{1} << 20;
  const FlatState flat = replicated(
      {{"a", 3 * kMiB}, {"b", 500}, {"c", 400}, {"d", 300}, {"e", 50}, {"f", 60}});
  constexpr int64_t kQuarter = 3 * kMiB / 4;

  EXPECT_EQ(text_of(plan_pieces(flat, 0, 4, 1)),
            c10::str("a 0+", kQuarter, ", b 0+500"));
  EXPECT_EQ(text_of(plan_pieces(flat, 1, 4, 1)),
            c10::str("a ", kQuarter, "+", kQuarter, ", c 0+400"));
  EXPECT_EQ(text_of(plan_pieces(flat, 2, 2, 2)),
            c10::str("a ", 2 * kQuarter, "+", kQuarter, ", d 0+300"));
  EXPECT_EQ(text_of(plan_pieces(flat, 3, 1, 4)),
            c10::str("a ", 3 * kQuarter, "+", kQuarter, ", f 0+60, e 0+50"));
}

// A shard that two copies hold is cut between those two: rows 0-3 and 4-7 of 8.
TEST(WritePlanTest, CopiesShareTheRowsOfACutTensor) {
  constexpr int64_t kRows = 8;
  const auto plan = [&](int rank) {
    StateTree state{.kind = "training"};
    const Shard shard({0, kRows, 2 * kRows}, rank % 2);
    state.tensors.emplace(
        "weight", StateTensor{at::zeros({kRows, 1 << 16}), Spread::kCut, shard});
    return text_of(plan_pieces(flatten(state), rank, 2, 2));
  };

  EXPECT_EQ(plan(0), "weight 0+4");
  EXPECT_EQ(plan(1), "weight 8+4");
  EXPECT_EQ(plan(2), "weight 4+4");
  EXPECT_EQ(plan(3), "weight 12+4");
}

TEST(WritePlanTest, BytesAreBalancedWithinFivePercent) {
  std::map<std::string, int64_t> sizes;
  for (int i = 0; i < 60; ++i) {
    sizes[c10::str("t", i)] = 1000 + 37 * i + (i % 7 == 0 ? (2 << 20) : 0);
  }
  const FlatState flat = replicated(sizes);
  int64_t most = 0;
  int64_t total = 0;
  for (int rank = 0; rank < 8; ++rank) {
    int64_t own = 0;
    for (const Piece& piece : plan_pieces(flat, rank, 4, 2)) own += piece.rows;
    most = std::max(most, own);
    total += own;
  }

  EXPECT_LE(static_cast<double>(most), 1.05 * static_cast<double>(total) / 8);
}

TEST(WritePlanTest, BytesOfARowCountAllButTheFirstDimension) {
  FlatTensor matrix;
  matrix.local = at::zeros({4, 3, 5});
  matrix.shape = {4, 3, 5};
  FlatTensor scalar;
  scalar.local = at::zeros({}, at::kDouble);

  EXPECT_EQ(row_bytes(matrix), 60);
  EXPECT_EQ(row_bytes(scalar), 8);
}

}  // namespace
}  // namespace shardopt::checkpoint
