// Cases played: what happens in a call, on any ranks, and how it is told.
#include "replay/run.h"

#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "shardopt/core/error.h"

namespace shardopt::replay {
namespace {

using Json = nlohmann::json;
using Numbers = std::vector<double>;

constexpr double kSameInFloat64 = 1e-12;

/// One parameter, [3] unless `more` says otherwise, trained by sgd at lr 0.5.
Json make_case(const Json& gradients, const Json& more = Json::object()) {
  Json text{{"dtype", "float64"},
            {"parameters", {{{"name", "w"}, {"shape", {3}}, {"values", {1, 2, 3}}}}},
            {"gradients", Json::array()},
            {"optimizer", {{"name", "sgd"}, {"lr", 0.5}}}};
  for (const Json& gradient : gradients) {
    text["gradients"].push_back(Json::array({gradient}));
  }
  text.update(more, true);
  return text;
}

Replay play(const Json& text) { return run_case(read_case(text.dump())); }

Numbers numbers(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kDouble).reshape({-1});
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

/// Of the only parameter, after each call.
std::vector<Numbers> weights(const Replay& replay) {
  std::vector<Numbers> calls;
  for (const Weights& call : replay.parameters) calls.push_back(numbers(call.at(0)));
  return calls;
}

/// lr of the first group in each call; -1 where there was no update.
Numbers lrs(const Replay& replay) {
  Numbers lrs;
  for (const auto& groups : replay.lr) lrs.push_back(groups ? groups->at(0) : -1.0);
  return lrs;
}

TEST(ReplayTest, EachCallIsAnUpdateByItsGradients) {
  const Replay replay = play(make_case({{2, 4, -2}, {0, -8, 2}}));

  EXPECT_EQ(weights(replay), (std::vector<Numbers>{{0, 0, 4}, {0, 4, 3}}));
  EXPECT_EQ(lrs(replay), (Numbers{0.5, 0.5}));
  EXPECT_EQ(replay.updates, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(replay.loss_scale, (Numbers{1, 1}));
  EXPECT_FALSE(replay.evaluation.has_value());
}

TEST(ReplayTest, AccumulationUpdatesAtAWindowsEndOnly) {
  const Replay replay = play(make_case({{2, 4, -2}, {0, -8, 2}, {1, 1, 1}},
                                       {{"train", {{"accumulation", 2}}}}));

  EXPECT_EQ(weights(replay),
            (std::vector<Numbers>{{1, 2, 3}, {0.5, 3, 3}, {0.5, 3, 3}}));
  EXPECT_EQ(lrs(replay), (Numbers{-1, 0.5, -1}));
  EXPECT_EQ(replay.updates, (std::vector<int64_t>{0, 1, 1}));
}

TEST(ReplayTest, ScheduleMovesWithUpdatesAndEndsAtTrainSteps) {
  const Json schedule{{"name", "linear"}, {"min_lr_ratio", 0}};
  const Replay replay =
      play(make_case({{0, 0, 0}, {"inf", 0, 0}, {0, 0, 0}, {0, 0, 0}},
                     {{"schedule", schedule}, {"train", {{"steps", 2}}}}));

  EXPECT_EQ(lrs(replay), (Numbers{0.5, -1, 0.25, 0}));
}

TEST(ReplayTest, GradientsThatAreNotFiniteMoveNothingButTheLossScale) {
  const Json scale{{"mode", "dynamic"}, {"scale", 4}, {"growth_steps", 2}};
  for (const char* bad : {"inf", "-inf", "nan"}) {
    const Replay replay = play(make_case({{4, 0, 0}, {0, bad, 0}, {2, 0, 0}, {2, 0, 0}},
                                         {{"loss_scale", scale}}));

    EXPECT_EQ(weights(replay), (std::vector<Numbers>{
                                   {0.5, 2, 3}, {0.5, 2, 3}, {0, 2, 3}, {-0.5, 2, 3}}));
    EXPECT_EQ(replay.loss_scale, (Numbers{4, 2, 2, 4}));
    EXPECT_EQ(lrs(replay), (Numbers{0.5, -1, 0.5, 0.5}));
    EXPECT_EQ(replay.updates, (std::vector<int64_t>{1, 1, 2, 3}));
  }
}

// The sum of their squares is infinite.
TEST(ReplayTest, HugeGradientsAreFinite) {
  const Replay replay = play(make_case({{2e200, 0, 0}}));

  EXPECT_EQ(weights(replay).at(0).at(0), -1e200);
}

TEST(ReplayTest, ANonFiniteEntryOnOneRankSkipsTheUpdateOnAll) {
  const Replay replay =
      play(make_case({{1, 1, "nan"}}, {{"ranks", 3}, {"replicas", 2}}));

  EXPECT_EQ(weights(replay), std::vector<Numbers>({{1, 2, 3}}));
  EXPECT_EQ(replay.updates, std::vector<int64_t>{0});
}

TEST(ReplayTest, TransformsApplyInTheirOrderAndTrainsClippingLast) {
  const Json transforms{{{"name", "clip_value"}, {"value", 4}}};
  const Replay replay = play(make_case(
      {{3, 8, 0}}, {{"transform", transforms}, {"train", {{"clip_norm", 0.5}}}}));

  // (3, 4, 0) of norm 5, by torch's factor 0.5 / (5 + 1e-6).
  const Numbers after = weights(replay).at(0);
  EXPECT_NEAR(after[0], 1.0 - 0.5 * 3.0 * 0.5 / (5.0 + 1e-6), kSameInFloat64);
  EXPECT_NEAR(after[1], 2.0 - 0.5 * 4.0 * 0.5 / (5.0 + 1e-6), kSameInFloat64);
}

TEST(ReplayTest, ErrorsNameTransformsByTheUsersIndex) {
  const Json text =
      make_case({{3, 8, 0}}, {{"transform", {{{"name", "clip_value"}, {"value", -4}}}},
                              {"train", {{"accumulation", 2}}}});
  try {
    (void)play(text);
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_EQ(std::string(error.what_without_backtrace()),
              "transform[0].value is -4; allowed: > 0");
  }
}

TEST(ReplayTest, EvaluationIsTheAverageWhereThereIsOne) {
  const Replay replay = play(make_case(
      {{2, 0, 0}, {2, 0, 0}}, {{"average", {{"mode", "ema"}, {"momentum", 0.25}}}}));

  EXPECT_EQ(weights(replay), (std::vector<Numbers>{{0, 2, 3}, {-1, 2, 3}}));
  ASSERT_TRUE(replay.evaluation.has_value());
  EXPECT_EQ(numbers((*replay.evaluation)[0][0]), (Numbers{0, 2, 3}));
  EXPECT_EQ(numbers((*replay.evaluation)[1][0]), (Numbers{-0.75, 2, 3}));
}

// x after the first update is z = 1 - lr g; y = (1 - momentum) z + momentum x.
TEST(ReplayTest, EvaluationIsThePointOfScheduleFreeAndLeavesTraining) {
  const Json optimizer{{"name", "schedule_free_sgd"},
                       {"lr", 0.5},
                       {"schedule_free_sgd", {{"momentum", 0.5}}}};
  const Replay replay =
      play(make_case({{2, 0, 0}, {2, 0, 0}, {-1, 3, 0}}, {{"optimizer", optimizer}}));

  ASSERT_TRUE(replay.evaluation.has_value());
  // z: 0, -1, -0.5; x: their means 0, -0.5, -0.5.
  EXPECT_EQ(numbers((*replay.evaluation)[1][0])[0], -0.5);
  EXPECT_EQ(weights(replay)[1][0], -0.75);
  EXPECT_NEAR(numbers((*replay.evaluation)[2][0])[0], -0.5, kSameInFloat64);
  EXPECT_NEAR(weights(replay)[2][0], -0.5, kSameInFloat64);
}

TEST(ReplayTest, GroupsAreThoseOfTheOptimizerAndNestedOnesInTheOrderOfLr) {
  Json text = make_case({}, {{"optimizer",
                              {{"name", "muon"},
                               {"lr", 0.5},
                               {"weight_decay", 0.25},
                               {"muon", {{"adamw", {{"ratio", 0.5}}}}}}}});
  text["parameters"].push_back({{"name", "m"}, {"shape", {1, 2}}, {"values", {1, 2}}});
  text["gradients"] = {{{1, 1, 1}, {1, 1}}};
  const Replay replay = play(text);

  ASSERT_EQ(replay.groups.size(), replay.lr[0]->size());
  bool found_w = false;
  bool found_m = false;
  for (std::size_t i = 0; i < replay.groups.size(); ++i) {
    const GroupRecord& group = replay.groups[i];
    if (group.parameters.empty()) continue;
    const bool is_w = group.parameters == std::vector<std::string>{"w"};
    (is_w ? found_w : found_m) = true;
    EXPECT_EQ(group.name, is_w ? "adamw/no_decay" : "decay");
    EXPECT_EQ(group.algorithm, is_w ? "adamw" : "muon");
    EXPECT_EQ(group.weight_decay, is_w ? 0.0 : 0.25);
    EXPECT_EQ((*replay.lr[0])[i], is_w ? 0.25 : 0.5);
  }
  EXPECT_TRUE(found_w && found_m);
}

TEST(ReplayTest, MeansTheSameOnAnyRanksAndReplicas) {
  Json text = make_case(
      {}, {{"optimizer", {{"name", "adamw"}, {"lr", 0.5}, {"caution", true}}},
           {"transform",
            {{{"name", "orthograd"}}, {{"name", "clip_global_norm"}, {"max_norm", 1}}}},
           {"train", {{"accumulation", 2}}}});
  text["parameters"] = {
      {{"name", "a"}, {"shape", {4, 2}}, {"values", {1, 2, 3, 4, 5, 6, 7, 8}}},
      {{"name", "b"}, {"shape", Json::array()}, {"values", {0.5}}}};
  text["gradients"] = {{{1, -2, 3, -4, 5, -6, 7, -8}, {1}},
                       {{2, 2, 2, 2, -2, -2, -2, -2}, nullptr},
                       {nullptr, {-3}},
                       {{0, 1, 0, 1, 0, -1, 0, -1}, {2}}};
  const Replay one = play(text);
  text["replicas"] = 2;
  for (const int ranks : {2, 3, 4}) {
    text["ranks"] = ranks;
    Json cut = Json::array({0});
    for (int rank = 0; rank < ranks; ++rank) cut.push_back(rank + 1 < ranks ? 1 : 4);
    text["cuts"] = {{"a", cut}};  // Rank 1 of three and more has no row.

    const Replay many = play(text);

    for (std::size_t call = 0; call < one.parameters.size(); ++call) {
      for (std::size_t i = 0; i < 2; ++i) {
        const Numbers expected = numbers(one.parameters[call][i]);
        const Numbers found = numbers(many.parameters[call][i]);
        ASSERT_EQ(found.size(), expected.size());
        for (std::size_t k = 0; k < found.size(); ++k) {
          EXPECT_NEAR(found[k], expected[k], kSameInFloat64);
        }
      }
    }
  }
}

TEST(ReplayTest, AnErrorOfEveryRankIsThrownOnce) {
  const Json text =
      make_case({{1, 1, 1}}, {{"optimizer", {{"name", "moun"}}}, {"ranks", 3}});

  EXPECT_THROW((void)play(text), ConfigError);
}

TEST(ReplayJsonTest, ReadsBackToTheSameNumbersWithNullsAndTextsForOthers) {
  const Replay replay =
      play(make_case({{"nan", 0, 0}, {0.1, 1e-300, -1e300}},
                     {{"average", {{"mode", "ema"}}},
                      {"optimizer", {{"name", "sgd"}, {"lr", 1e100}}}}));

  const Json json = Json::parse(to_json(replay));

  EXPECT_EQ(json["lr"][0], nullptr);
  EXPECT_EQ(json["updates"], (Json{0, 1}));
  EXPECT_EQ(json["parameters"][1][0][0].get<double>(),
            numbers(replay.parameters[1][0])[0]);
  EXPECT_EQ(json["parameters"][1][0][2], "inf");
  EXPECT_EQ(json["evaluation"][0], json["parameters"][0]);
  EXPECT_EQ(json["groups"][0]["name"], "decay");
  EXPECT_EQ(json["groups"][1]["parameters"], Json{"w"});
}

}  // namespace
}  // namespace shardopt::replay
