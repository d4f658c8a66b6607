// Configuration files in text format.
#include "config_test_support.h"

namespace shardopt::config {
namespace {

using test::ConfigFolder;
using ::testing::TestWithParam;
using ::testing::Values;

TEST(TextFileTest, SetsFieldsOfEveryTypeAndKeepsTheOtherDefaults) {
  const ConfigFolder folder;

  const TrainConfig config = folder.load(R"(
    model { layers: 6 dropout: 0.25 tied: false }
    data { path: "a b" order: "sequential" }
    optimizer { name: "muon" lr: 1 muon { momentum: 0.9 adamw { lr: 1e-3 } } }
    mesh { compute_dtype: "bf16" })");

  EXPECT_EQ(config.model.layers, 6);
  EXPECT_EQ(config.model.dim, 128);
  EXPECT_EQ(config.model.dropout, 0.25);
  EXPECT_FALSE(config.model.tied);
  EXPECT_EQ(config.data.path, "a b");
  EXPECT_EQ(config.data.order, SampleOrder::kSequential);
  EXPECT_EQ(config.optimizer.lr, 1.0);
  EXPECT_EQ(config.optimizer.weight_decay, std::nullopt);
  EXPECT_EQ(config.optimizer.muon.momentum, 0.9);
  EXPECT_EQ(config.optimizer.muon.adamw.lr, 1e-3);
  EXPECT_EQ(config.mesh.compute_dtype, FloatKind::kBf16);
  EXPECT_EQ(config.mesh.reduce_dtype, FloatKind::kFp32);
}

TEST(TextFileTest, KeepsGroupsInOrderAndTypesOfNamedValues) {
  const ConfigFolder folder;

  const TrainConfig config = folder.load(R"(
    optimizer {
      name: "mine"
      group { pattern: "^head" lr: 0.1 }
      group { }
      group: [{ pattern: "norm", algorithm: "lion" }]
      options { name: "a" flag: true }
      options { name: "b" integer: 3 }
      options { name: "c" number: 3 }
      options { name: "d" text: "3" }
    })");

  ASSERT_EQ(config.optimizer.groups.size(), 3u);
  EXPECT_EQ(config.optimizer.groups[0].lr, 0.1);
  EXPECT_EQ(config.optimizer.groups[1].pattern, "");
  EXPECT_EQ(config.optimizer.groups[2].algorithm, "lion");
  const std::map<std::string, OptionValue> expected{
      {"a", true}, {"b", int64_t{3}}, {"c", 3.0}, {"d", std::string("3")}};
  EXPECT_EQ(config.optimizer.options, expected);
}

TEST(TextFileTest, AcceptsAnEmptyFileByteOrderMarkAndCarriageReturns) {
  const ConfigFolder folder;

  EXPECT_EQ(folder.load("").model.layers, 4);
  EXPECT_EQ(folder.load("\xEF\xBB\xBFmodel {\r\n  layers: 2\r\n}\r\n").model.layers, 2);
}

struct Case {
  const char* text;
  const char* error;
};

class TextFileErrorTest : public TestWithParam<Case> {};

TEST_P(TextFileErrorTest, NamesLineFieldValueAndWhatIsAllowed) {
  EXPECT_EQ(ConfigFolder().error(GetParam().text), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Values, TextFileErrorTest,
    Values(
        Case{"optimizer {\n  name: \"adamw\"\n  lr: -1\n}",
             "my.txtpb:3: optimizer.lr is -1; allowed: >= 0"},
        Case{"optimizer { adamw {\n beta1: 1.5 } }",
             "my.txtpb:2: optimizer.adamw.beta1 is 1.5; allowed: [0, 1)"},
        Case{"optimizer {\n group { }\n group { lr: -2 } }",
             "my.txtpb:3: optimizer.group[1].lr is -2; allowed: >= 0"},
        Case{"data {\n order: \"shufled\" }",
             "my.txtpb:2: data.order is 'shufled'; allowed: shuffled | sequential; did "
             "you mean 'shuffled'?"},
        Case{
            "schedule { name: \"cosin\" }",
            "my.txtpb:1: schedule.name is 'cosin'; allowed: constant | cosine | linear "
            "| none | rex | wsd; did you mean 'cosine'?"},
        Case{"data { path: \"a\\000b\" }",
             "my.txtpb:1: data.path contains a zero byte"},
        Case{"\nmodel {\n  layers: 0\n}",
             "my.txtpb:3: model.layers is 0; allowed: [1, 65536]"},
        Case{"model { init_std: 1e400 }",
             "my.txtpb:1: model.init_std is inf; allowed: > 0"}));

INSTANTIATE_TEST_SUITE_P(
    Types, TextFileErrorTest,
    Values(
        Case{
            "model {\n layers: \"four\"\n}",
            "my.txtpb:2: model.layers is \"four\"; allowed: a 64-bit whole number, [1, "
            "65536]"},
        Case{"model { layers: 4.5 }",
             "my.txtpb:1: model.layers is 4.5; allowed: a 64-bit whole number, [1, "
             "65536]"},
        Case{"train { seed: 99999999999999999999 }",
             "my.txtpb:1: train.seed is 99999999999999999999; allowed: a 64-bit whole "
             "number, >= 0"},
        Case{"train { seed: -9223372036854775809 }",
             "my.txtpb:1: train.seed is -9223372036854775809; allowed: a 64-bit whole "
             "number, >= 0"},
        Case{"optimizer { lr: abc }",
             "my.txtpb:1: optimizer.lr is abc; allowed: a number, >= 0"},
        Case{"optimizer { group { lr: nan } }",
             "my.txtpb:1: optimizer.group[0].lr is nan; allowed: a number, >= 0"},
        Case{"model { tied: 1 }", "my.txtpb:1: model.tied is 1; allowed: true | false"},
        Case{"model { tied: maybe }",
             "my.txtpb:1: model.tied is maybe; allowed: true | false"},
        Case{
            "data { order: shuffled }",
            "my.txtpb:1: data.order is shuffled; allowed: a text in quotes, shuffled | "
            "sequential"},
        Case{"data { path: 3 }",
             "my.txtpb:1: data.path is 3; allowed: a text in quotes"},
        Case{"model: 3", "my.txtpb:1: model is 3; allowed: a block { }"},
        Case{"model { layers { } }",
             "my.txtpb:1: model.layers is {; allowed: a 64-bit whole number, [1, "
             "65536]"},
        Case{"model { layers: [1, 2] }",
             "my.txtpb:1: model.layers is [; allowed: a 64-bit whole number, [1, "
             "65536]"},
        Case{
            "optimizer { options { name: \"x\" integer: true } }",
            "my.txtpb:1: optimizer.options[0].integer is true; allowed: a 64-bit whole "
            "number"}));

INSTANTIATE_TEST_SUITE_P(
    Names, TextFileErrorTest,
    Values(
        Case{"model {\n  dim: 64\n  leyers: 4\n}",
             "my.txtpb:3: unknown field 'leyers' of model; did you mean 'layers'?; "
             "known: layers, dim, heads, context, dropout, hidden, tied, init_std, "
             "rope_theta, norm_eps, init, init_allow_missing, init_ignore, init_cast"},
        Case{"modle { }",
             "my.txtpb:1: unknown field 'modle'; did you mean 'model'?; known: model, "
             "data, optimizer, schedule, train, mesh, output, profile, checkpoint, "
             "transform, loss_scale, average"},
        Case{"optimizer { muon { adamw { b1: 0 } } }",
             "my.txtpb:1: unknown field 'b1' of optimizer.muon.adamw; known: lr, "
             "weight_decay, beta1, beta2, eps, ratio, eps_form"},
        Case{"model { dim: 8 }\nmodel { heads: 2 }",
             "my.txtpb:2: model is given twice, first in line 1"},
        Case{"model {\n dim: 8\n dim: 8 }",
             "my.txtpb:3: model.dim is given twice, first in line 2"},
        Case{"optimizer { options { flag: true } }",
             "my.txtpb:1: optimizer.options[0] has no name"},
        Case{"optimizer {\n options { name: \"x\" } }",
             "my.txtpb:2: optimizer.options.x has no value; allowed: one of flag, "
             "integer, number, text"},
        Case{"optimizer { options { name: \"x\" flag: true }\n"
             "options { name: \"x\" flag: true } }",
             "my.txtpb:2: optimizer.options.x is given twice"}));

INSTANTIATE_TEST_SUITE_P(
    Syntax, TextFileErrorTest,
    Values(
        Case{"model {\n layers:\n}",
             "my.txtpb:2: model.layers has no value; allowed: a 64-bit whole number, "
             "[1, 65536]"},
        Case{"model {\n layers: 4\n",
             "my.txtpb:3: the file ends inside 'model'; a } is missing"},
        Case{"model { } }", "my.txtpb:1: syntax error: Expected identifier, got: }"},
        Case{"model {\n layers = 4 }",
             "my.txtpb:2: syntax error: Expected \":\", found \"=\"."},
        Case{"data {\n path: \"abc }\n",
             "my.txtpb:2: syntax error: String literals cannot cross line "
             "boundaries."},
        Case{"model {\n [foo.bar]: 3 }",
             "my.txtpb:2: syntax error: Extension \"foo.bar\" is not defined or is "
             "not an extension of \"shardopt.config.Model\"."},
        Case{"optimizer { options {\n name: \"x\" flag: true text: \"y\" } }",
             "my.txtpb:2: syntax error: Field \"text\" is specified along with field "
             "\"flag\", another member of oneof \"value\"."}));

TEST(TextFileErrorTest, ReportsTheFirstOfSeveralErrors) {
  const ConfigFolder folder;

  EXPECT_EQ(folder.error("model { layers = 4 }\nmodle { }"),
            "my.txtpb:1: syntax error: Expected \":\", found \"=\".");
  EXPECT_EQ(folder.error("model { tied: 1 }\n ] ["),
            "my.txtpb:1: model.tied is 1; allowed: true | false");
}

TEST(TextFileErrorTest, RefusesMoreGroupsThanTheLimit) {
  const ConfigFolder folder;
  std::string text = "optimizer {";
  for (int64_t i = 0; i <= kMaxEntries; ++i) text += " group { }";

  EXPECT_EQ(folder.error(text + "}"),
            "my.txtpb: optimizer.group has 257 entries; allowed: up to 256");
}

}  // namespace
}  // namespace shardopt::config
