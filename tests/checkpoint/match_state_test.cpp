#include "match_state.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "checkpoint/small_manifest.h"
#include "flat_state.h"

namespace shardopt::checkpoint {
namespace {

using Texts = std::vector<std::string>;

void allocate(StateTree& tree) {
  for (auto& [slot, state] : tree.tensors) {
    state.tensor = at::zeros(state.tensor.sizes(), state.tensor.scalar_type());
  }
  for (auto& [name, child] : tree.children) allocate(child);
}

/// What fits small_manifest() on `rank`: all rows of what is cut.
StateTree fitting_state(int rank = 0) {
  StateTree tree = unflatten(test::small_manifest(), rank);
  allocate(tree);
  return tree;
}

class MatchStateTest : public testing::Test {
 protected:
  StateTree& model() { return here_.children.at("model"); }
  StateTree& muon() { return here_.children.at("optimizer"); }
  StateTree& adamw() { return muon().children.at("adamw"); }

  Match match(const LoadOptions& options = {}, int rank = 0, int world_size = 2) {
    return match_state(manifest_, here_, options, rank, world_size);
  }
  Texts problems(const LoadOptions& options = {}) { return match(options).problems; }

  static Texts paths(const Match& match) {
    Texts result;
    for (const Target& target : match.targets) result.push_back(target.path);
    std::ranges::sort(result);
    return result;
  }

  Manifest manifest_ = test::small_manifest();
  StateTree here_ = fitting_state();
};

TEST_F(MatchStateTest, GivesRowsOfEveryTensorAndTheSavedValues) {
  adamw().values["lr"] = 9.0;
  here_.values["back"] = int64_t{8};

  const Match found = match();

  EXPECT_EQ(found.problems, Texts{});
  EXPECT_EQ(paths(found), (Texts{"model/b", "model/n", "model/w", "rng"}));
  EXPECT_EQ(adamw().value<double>("lr"), 0.5);
  EXPECT_EQ(here_.value<int64_t>("back"), -1);
}

TEST_F(MatchStateTest, AsksForTheRowsOfThisRank) {
  StateTensor& w = model().tensors.at("w");
  w.tensor = at::zeros({3, 3});
  w.shard = Shard({0, 1, 4, 5}, 1);

  const Match found = match();

  ASSERT_EQ(found.problems, Texts{});
  const auto it = std::ranges::find(found.targets, "model/w", &Target::path);
  EXPECT_EQ(std::pair(it->row_begin, it->row_end), std::pair(int64_t{1}, int64_t{4}));
  EXPECT_EQ(it->rows.data_ptr(), w.tensor.data_ptr());
}

TEST_F(MatchStateTest, TakesThePerRankTensorOfThisRank) {
  here_ = fitting_state(1);

  const Match found = match({}, 1);

  ASSERT_EQ(found.problems, Texts{});
  const auto it = std::ranges::find(found.targets, "rng", &Target::path);
  EXPECT_EQ(it->stored->name, "rng@00001");
}

TEST_F(MatchStateTest, LeavesPerRankTensorsWhenTheNumberOfRanksDiffers) {
  here_.tensors.at("rng").tensor = at::zeros({3}, at::kByte);

  const Match found = match({}, 2, 3);

  EXPECT_EQ(found.problems, Texts{});
  EXPECT_EQ(found.per_rank_skipped, Texts{"rng"});
  EXPECT_EQ(paths(found), (Texts{"model/b", "model/n", "model/w"}));
}

struct Edit {
  std::string problem;
  std::function<void(StateTree& root)> make;
};

StateTree& part(StateTree& r, const std::string& name) { return r.children.at(name); }
StateTensor& w_of(StateTree& r) { return part(r, "model").tensors.at("w"); }

/// One difference each, and how it is told.
std::vector<Edit> edits() {
  return {
      {"(root): kind is 'job', here 'task'", [](StateTree& r) { r.kind = "task"; }},
      {"optimizer: kind is 'muon', here 'lion'",
       [](StateTree& r) { part(r, "optimizer").kind = "lion"; }},
      {"optimizer/adamw: version is 1, here 2",
       [](StateTree& r) { part(part(r, "optimizer"), "adamw").version = 2; }},
      {"extra: this value is missing in the checkpoint",
       [](StateTree& r) { r.values["extra"] = 1.0; }},
      {"flag: this value of the checkpoint is unknown here",
       [](StateTree& r) { r.values.erase("flag"); }},
      {"flag: value is a flag, here a count",
       [](StateTree& r) { r.values["flag"] = uint64_t{1}; }},
      {"back: value is a signed count, here a count",
       [](StateTree& r) { r.values["back"] = uint64_t{1}; }},
      {"model/extra: this tensor is missing in the checkpoint",
       [](StateTree& r) { part(r, "model").tensors["extra"] = {at::zeros({2})}; }},
      {"model/w: this tensor of the checkpoint is unknown here",
       [](StateTree& r) { part(r, "model").tensors.erase("w"); }},
      {"model/w: tensor is F32 [5, 3], here F64 [5, 3]",
       [](StateTree& r) {
         w_of(r).tensor = at::zeros({5, 3}, at::kDouble);
       }},
      {"model/w: tensor is F32 [5, 3], here F32 [3, 5]",
       [](StateTree& r) {
         w_of(r) = {at::zeros({3, 5}), Spread::kCut, Shard({0, 3}, 0)};
       }},
      {"model/w: tensor is F32 [5, 3], here F32 [6, 3]",
       [](StateTree& r) {
         w_of(r).shard = Shard({0, 5, 6}, 0);
       }},
      {"model/b: tensor is F64 [], here F64 [1]",
       [](StateTree& r) {
         part(r, "model").tensors.at("b").tensor = at::zeros({1}, at::kDouble);
       }},
      {"model/w: tensor is cut, here replicated",
       [](StateTree& r) {
         w_of(r) = {at::zeros({5, 3})};
       }},
      {"rng: tensor is U8 [20], here U8 [21]",
       [](StateTree& r) { r.tensors.at("rng").tensor = at::zeros({21}, at::kByte); }},
      {"data: this part is missing in the checkpoint",
       [](StateTree& r) { r.children["data"] = {.kind = "data"}; }},
      {"optimizer/adamw: this part of the checkpoint is unknown here",
       [](StateTree& r) { part(r, "optimizer").children.erase("adamw"); }},
  };
}

TEST_F(MatchStateTest, TellsEachDifference) {
  for (const Edit& edit : edits()) {
    here_ = fitting_state();
    edit.make(here_);
    EXPECT_EQ(problems(), Texts{edit.problem});
  }
}

TEST_F(MatchStateTest, TellsAllDifferencesAtOnce) {
  adamw().version = 2;
  here_.values["extra"] = 1.0;
  model().tensors.erase("w");
  model().tensors.at("b").tensor = at::zeros({1}, at::kDouble);

  EXPECT_EQ(problems(), (Texts{"extra: this value is missing in the checkpoint",
                               "model/b: tensor is F64 [], here F64 [1]",
                               "model/w: this tensor of the checkpoint is unknown here",
                               "optimizer/adamw: version is 1, here 2"}));
}

TEST_F(MatchStateTest, PartsThatAreRecordsMayDifferInEverything) {
  manifest_.state.children["note"] = {.kind = kRecordOnly,
                                      .values = {{"lr", 0.1}, {"was", true}}};
  here_.children["note"] = {.kind = kRecordOnly, .values = {{"lr", int64_t{3}}}};

  EXPECT_EQ(problems(), Texts{});
  EXPECT_EQ(here_.child("note").values, manifest_.state.children["note"].values);
}

TEST_F(MatchStateTest, RecordOnOneSideAloneIsADifference) {
  manifest_.state.children["note"] = {.kind = kRecordOnly};
  here_.children["note"] = {.kind = "groups"};

  EXPECT_EQ(problems(), Texts{"note: kind is 'options', here 'groups'"});
}

TEST_F(MatchStateTest, WhatMayBeMissingStaysAsItIs) {
  model().tensors["head.w"] = {at::ones({2})};
  model().values["head.v"] = 5.0;
  here_.children["data"] = {.kind = "data", .values = {{"at", int64_t{4}}}};

  const Match found = match({.allow_missing = {"model/head.*", "data/*"}});

  EXPECT_EQ(found.problems, Texts{});
  EXPECT_EQ(found.skipped, (Texts{"data", "model/head.v", "model/head.w"}));
  EXPECT_EQ(paths(found), (Texts{"model/b", "model/n", "model/w", "rng"}));
  EXPECT_EQ(model().value<double>("head.v"), 5.0);
}

TEST_F(MatchStateTest, WhatMayBeMissingIsReadAllTheSameIfItIsThere) {
  const Match found = match({.allow_missing = {"model/*"}});

  EXPECT_EQ(found.problems, Texts{});
  EXPECT_EQ(found.skipped, Texts{});
  EXPECT_EQ(paths(found), (Texts{"model/b", "model/n", "model/w", "rng"}));
}

TEST_F(MatchStateTest, MayBeMissingDoesNotAllowOtherDifferences) {
  model().tensors.at("w").tensor = at::zeros({5, 3}, at::kDouble);
  model().tensors.erase("b");

  EXPECT_EQ(problems({.allow_missing = {"model/*"}}),
            (Texts{"model/w: tensor is F32 [5, 3], here F64 [5, 3]",
                   "model/b: this tensor of the checkpoint is unknown here"}));
}

TEST_F(MatchStateTest, IgnoredEntriesAreNotReadOnWhicheverSideTheyAre) {
  model().tensors.at("w") = {at::zeros({2})};        // differs
  model().tensors.erase("b");                        // unknown here
  model().tensors["head.w"] = {at::ones({2})};       // missing there
  muon().children["adamw"] = {.kind = "something"};  // another kind
  here_.values["back"] = int64_t{77};                // fits

  const Match found =
      match({.ignore = {"model/w", "model/b", "*head*", "optimizer/adamw", "back"}});

  EXPECT_EQ(found.problems, Texts{});
  EXPECT_EQ(paths(found), (Texts{"model/n", "rng"}));
  EXPECT_EQ(here_.value<int64_t>("back"), 77);
  Texts skipped = found.skipped;
  std::ranges::sort(skipped);
  EXPECT_EQ(skipped,
            (Texts{"back", "model/b", "model/head.w", "model/w", "optimizer/adamw"}));
}

TEST_F(MatchStateTest, StarBehindAPartMeansAllOfItOnWhicheverSideItIs) {
  here_.children.erase("optimizer");
  here_.children["schedule"] = {.kind = "linear"};

  EXPECT_EQ(problems({.allow_missing = {"schedule/*"}, .ignore = {"optimizer/*"}}),
            Texts{});
}

TEST_F(MatchStateTest, PatternThatMatchesNothingIsADifference) {
  EXPECT_EQ(problems({.allow_missing = {"model/haed.*"}, .ignore = {"optimiser/*"}}),
            (Texts{"pattern 'model/haed.*': matches nothing",
                   "pattern 'optimiser/*': matches nothing"}));
}

TEST_F(MatchStateTest, PatternsCountAsUsedWithinPartsThatAreLeftOut) {
  here_.children["data"] = {.kind = "data", .values = {{"at", int64_t{4}}}};

  EXPECT_EQ(problems({.allow_missing = {"data/*", "data/at"},
                      .ignore = {"optimizer/*", "*/count"}}),
            Texts{});
}

TEST_F(MatchStateTest, CastsAreAllowedOneByOne) {
  model().tensors.at("w").tensor = at::zeros({5, 3}, at::kDouble);
  model().tensors.at("n").tensor = at::zeros({0, 4}, at::kHalf);
  const std::string about_n = "model/n: tensor is BF16 [0, 4], here F16 [0, 4]";

  EXPECT_EQ(problems({.cast = {"f32:f64"}}), Texts{about_n});
  EXPECT_EQ(problems({.cast = {"f32:f64", "f16:bf16"}}), Texts{about_n});
  EXPECT_EQ(problems({.cast = {"f32:f64", "BF16:F16"}}), Texts{});
}

TEST_F(MatchStateTest, CastAllowsNoOtherShape) {
  model().tensors.at("w") = {at::zeros({4, 3}, at::kDouble), Spread::kCut,
                             Shard({0, 4}, 0)};

  EXPECT_EQ(problems({.cast = {"f32:f64"}}),
            Texts{"model/w: tensor is F32 [5, 3], here F64 [4, 3]"});
}

TEST_F(MatchStateTest, RefusesCastsThatAreNone) {
  for (const std::string text : {"f32", "f32:", ":f32", "f32:float", "f32:f64:f32"}) {
    const Texts found = problems({.cast = {text}});
    ASSERT_EQ(found.size(), 1U) << text;
    EXPECT_TRUE(found[0].starts_with("cast '" + text + "': ")) << found[0];
    EXPECT_NE(found[0].find("BF16"), std::string::npos) << found[0];
  }
}

TEST_F(MatchStateTest, RefusesExpandedDestinations) {
  model().tensors.at("w").tensor = at::zeros({1, 3}).expand({5, 3});

  EXPECT_THROW((void)match(), c10::Error);
}

}  // namespace
}  // namespace shardopt::checkpoint
