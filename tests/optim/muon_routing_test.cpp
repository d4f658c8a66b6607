// Which parameters Muon takes, and which its internal AdamW.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/core/error.h"
#include "shardopt/optim/muon.h"

namespace shardopt::optim {
namespace {

bool muon_takes(const Parameter& parameter, const MuonOptions& options = {}) {
  const Muon muon(group_of({parameter}, options));
  const bool in_muon =
      muon.state().child("parameters").children.contains(parameter.name);
  const bool in_adamw =
      muon.state().child("adamw").child("parameters").children.contains(parameter.name);
  EXPECT_NE(in_muon, in_adamw);
  return in_muon;
}

Parameter with_role(ParameterRole role) { return whole("w", at::ones({2, 3}), role); }

TEST(MuonRoutingTest, TakesTwoDimensionsAndMore) {
  EXPECT_TRUE(muon_takes(whole("w", at::ones({2, 3}))));
  EXPECT_TRUE(muon_takes(whole("w", at::ones({2, 3, 4, 5}))));
  EXPECT_FALSE(muon_takes(whole("w", at::ones({3}))));
}

TEST(MuonRoutingTest, LeavesBiasesByNameInAnyCaseIfTold) {
  EXPECT_FALSE(muon_takes(ones("block.attn.bias"), {.exclude_biases = true}));
  EXPECT_FALSE(muon_takes(ones("RelativeBias.table"), {.exclude_biases = true}));
  EXPECT_TRUE(muon_takes(ones("RelativeBias.table")));
}

// 2 experts of 8 x 8, and a convolution of 8 x 36 with its outputs last: neither is
// long.
TEST(MuonRoutingTest, LimitsAspectOfTheMatrixThatIsOrthogonalized) {
  const Parameter experts = whole("w", at::ones({2, 8, 8}));
  EXPECT_FALSE(muon_takes(experts, {.max_aspect = 10.0}));
  EXPECT_TRUE(muon_takes(experts, {.flatten = Flatten::kBatched, .max_aspect = 10.0}));
  const Parameter hwio = whole("w", at::ones({3, 3, 4, 8}));
  EXPECT_TRUE(muon_takes(hwio, {.flatten = Flatten::kConvHwio, .max_aspect = 4.5}));
  EXPECT_FALSE(muon_takes(hwio, {.flatten = Flatten::kConvHwio, .max_aspect = 4.4}));
}

TEST(MuonRoutingTest, LeavesEmbeddingsByRoleAndByNameUnlessTold) {
  EXPECT_FALSE(muon_takes(with_role(ParameterRole::kEmbedding)));
  EXPECT_FALSE(muon_takes(ones("tok_Embedding.weight")));
  const MuonOptions all{.exclude_embeddings = false};
  EXPECT_TRUE(muon_takes(with_role(ParameterRole::kEmbedding), all));
  EXPECT_TRUE(muon_takes(ones("tok_Embedding.weight"), all));
  EXPECT_FALSE(muon_takes(with_role(ParameterRole::kHead), all));
}

TEST(MuonRoutingTest, LeavesHeadByRoleUnlessTold) {
  EXPECT_FALSE(muon_takes(with_role(ParameterRole::kHead)));
  EXPECT_TRUE(muon_takes(with_role(ParameterRole::kHead), {.exclude_head = false}));
  EXPECT_FALSE(
      muon_takes(with_role(ParameterRole::kEmbedding), {.exclude_head = false}));
}

TEST(MuonRoutingTest, LeavesWhatExcludeFindsCaseSensitively) {
  Muon muon(group_of({ones("model.lm_head.weight"), ones("mlp.gate"),
                      ones("mlp.gate.weight"), ones("LM_HEAD.weight")},
                     MuonOptions{.exclude = R"(lm_head|\.gate$)"}));
  const auto groups = muon.groups();
  EXPECT_EQ(groups.at(0).parameter_names,
            (std::vector<std::string>{"mlp.gate.weight", "LM_HEAD.weight"}));
}

TEST(MuonRoutingTest, LeavesTheHeadByName) {
  Muon muon(
      group_of({ones("unembed"), ones("w")}, MuonOptions{.head_pattern = "^unembed$"}));
  EXPECT_EQ(muon.groups().at(0).parameter_names, std::vector<std::string>{"w"});
}

TEST(MuonRoutingTest, LimitsDimensions) {
  const Parameter cube = whole("w", at::ones({2, 3, 4}));
  EXPECT_FALSE(muon_takes(cube, {.max_dimensions = 2}));
  EXPECT_FALSE(muon_takes(ones("w"), {.min_dimensions = 3}));
  EXPECT_TRUE(muon_takes(cube, {.min_dimensions = 3}));
}

TEST(MuonRoutingTest, RefusesPatternsThatFindNothing) {
  for (const auto& [options, field] :
       {std::pair(MuonOptions{.exclude = "nobody"}, "optimizer.muon.exclude"),
        std::pair(MuonOptions{.head_pattern = "nobody"}, "optimizer.muon.head_pattern"),
        std::pair(MuonOptions{.row_blocks = "1,1", .row_blocks_pattern = "nobody"},
                  "optimizer.muon.row_blocks_pattern")}) {
    const std::string message = message_of<ConfigError>(
        [&] { const Muon muon(group_of({ones("w")}, options)); });
    expect_contains(message, std::string(field) + " 'nobody' matches no parameter");
  }
}

// The limit is about the whole: this rank has 1 of 20 rows, of 2 numbers; 20 : 2 is 10.
TEST(MuonRoutingTest, LimitsAspectOfTheGlobalFlattenedShape) {
  const Parameter cut{"w", at::ones({1, 2}), Shard({0, 19, 20}, 1)};
  EXPECT_TRUE(muon_takes(cut, {.max_aspect = 10.0}));
  EXPECT_FALSE(muon_takes(cut, {.max_aspect = 9.9}));
  EXPECT_TRUE(muon_takes(cut));
  const Parameter wide = whole("w", at::ones({2, 3, 4}));  // 2 : 12
  EXPECT_TRUE(muon_takes(wide, {.max_aspect = 6.0}));
  EXPECT_FALSE(muon_takes(wide, {.max_aspect = 5.0}));
}

TEST(MuonRoutingTest, RoutesAnEmptyShardAsItsPeersDo) {
  const Parameter empty{"w", at::ones({0, 2}), Shard({0, 20, 20}, 1)};
  EXPECT_TRUE(muon_takes(empty, {.max_aspect = 10.0}));
  EXPECT_FALSE(muon_takes(empty, {.max_aspect = 9.9}));
}

TEST(MuonRoutingTest, KeepsGroupsAndTheirDecay) {
  const Muon muon({{"decay",
                    {ones("w"), whole("v", at::ones({3}))},
                    {.lr = 0.5, .weight_decay = 0.1}},
                   {"no_decay", {whole("u", at::ones({3}))}, {.lr = 0.5}}});
  const std::vector<GroupSummary> groups = muon.groups();
  ASSERT_EQ(groups.size(), 4U);
  EXPECT_EQ(groups[0].name, "decay");
  EXPECT_EQ(groups[0].algorithm, "muon");
  EXPECT_EQ(groups[0].parameters, 1);
  EXPECT_EQ(groups[1].name, "no_decay");
  EXPECT_EQ(groups[1].parameters, 0);
  EXPECT_EQ(groups[2].name, "adamw/decay");
  EXPECT_EQ(groups[2].algorithm, "adamw");
  EXPECT_EQ(groups[2].weight_decay, 0.1);
  EXPECT_EQ(groups[3].name, "adamw/no_decay");
  EXPECT_EQ(groups[3].weight_decay, 0.0);
  EXPECT_EQ(groups[3].lr, 0.5);
}

}  // namespace
}  // namespace shardopt::optim
