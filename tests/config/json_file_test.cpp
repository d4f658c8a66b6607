// Configuration files in JSON.
#include "config_test_support.h"
#include "shardopt/config/print_config.h"

namespace shardopt::config {
namespace {

using test::ConfigFolder;
using ::testing::TestWithParam;
using ::testing::Values;

constexpr const char* kText = R"(
  model { layers: 6 tied: false init_std: 0.015 }
  data { path: "text \303\244 / \\ \"" order: "sequential" }
  optimizer {
    name: "mine" lr: 3
    group { pattern: "^head" lr: 0.1 }
    group { pattern: "norm" }
    options { name: "a" number: 3 }
    options { name: "b" text: "x" }
    muon { adamw { eps: 1e-10 } }
  }
  transform { name: "unscale" }
  transform { name: "grokfast_ma" window: 5 warmup: false }
  loss_scale { mode: "static" scale: 1024 }
  average { mode: "ema" momentum: 0.5 }
  train { seed: 9007199254740993 }
  checkpoint { path: "c" async: false keep: 5 on_error: "abort" })";

constexpr const char* kJson = R"({
  "model": {"layers": 6, "tied": false, "init_std": 1.5e-2},
  "data": {"path": "text \u00e4 \/ \\ \"", "order": "sequential"},
  "optimizer": {
    "name": "mine", "lr": 3, "weight_decay": null,
    "group": [{"pattern": "^head", "lr": 0.1}, {"pattern": "norm"}],
    "options": [{"name": "a", "number": 3}, {"name": "b", "text": "x"}],
    "muon": {"adamw": {"eps": 1e-10}}
  },
  "transform": [{"name": "unscale"},
                {"name": "grokfast_ma", "window": 5, "warmup": false, "lamb": null}],
  "loss_scale": {"mode": "static", "scale": 1024},
  "average": {"mode": "ema", "momentum": 0.5},
  "train": {"seed": 9007199254740993},
  "checkpoint": {"path": "c", "async": false, "keep": 5, "on_error": "abort"}
})";

TEST(JsonFileTest, MeansWhatTheSameTextFormatMeans) {
  const ConfigFolder folder;

  const std::string from_text = print_config(folder.load(kText));

  EXPECT_EQ(print_config(folder.load(kJson, {}, "my.json")), from_text);
  EXPECT_NE(from_text, print_config(load_config({})));
}

TEST(JsonFileTest, IsKnownByItsFirstLetterToo) {
  const ConfigFolder folder;

  EXPECT_EQ(folder.load(" \n{\"model\": {\"dim\": 8}}", {}, "plain").model.dim, 8);
  EXPECT_EQ(folder.load("{}", {}, "plain").model.dim, 128);
}

TEST(JsonTextTest, InMemoryMeansWhatTheFileMeans) {
  EXPECT_EQ(print_config(load_config({.json = JsonText{"case", kJson}})),
            print_config(ConfigFolder().load(kText)));
}

TEST(JsonTextTest, ErrorsBeginWithItsNameIfItHasOneAndSayNoLine) {
  const auto error_of = [](const std::string& name) {
    return test::config_error([&] {
      (void)load_config({.json = JsonText{name, "{\"train\": {\n\"stpes\": 3}}"}});
    });
  };

  EXPECT_TRUE(error_of("case").starts_with("case: unknown field 'stpes' of train"))
      << error_of("case");
  EXPECT_TRUE(error_of("").starts_with("unknown field 'stpes' of train"))
      << error_of("");
}

TEST(JsonTextTest, IsRefusedBesideAFile) {
  EXPECT_THROW((void)load_config({.file = "a", .json = JsonText{"b", "{}"}}),
               c10::Error);
}

struct Case {
  const char* text;
  const char* error;
};

class JsonFileErrorTest : public TestWithParam<Case> {};

TEST_P(JsonFileErrorTest, NamesLineFieldValueAndWhatIsAllowed) {
  EXPECT_EQ(ConfigFolder().error(GetParam().text, "my.json"), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, JsonFileErrorTest,
    Values(
        Case{"{\"optimizer\": {\n\"lr\": -1}}",
             "my.json:2: optimizer.lr is -1; allowed: >= 0"},
        Case{"{\"optimizer\": {\"group\": [{},\n{\"lr\": -1}]}}",
             "my.json:2: optimizer.group[1].lr is -1; allowed: >= 0"},
        Case{"{\"model\": {\n\n\"leyers\": 4}}",
             "my.json:3: unknown field 'leyers' of model; did you mean 'layers'?; "
             "known: layers, dim, heads, context, dropout, hidden, tied, init_std, "
             "rope_theta, norm_eps, init, init_allow_missing, init_ignore, init_cast"},
        Case{"{\"schedule\": {\"warmupSteps\": 4}}",
             "my.json:1: unknown field 'warmupSteps' of schedule; did you mean "
             "'warmup_steps'?; known: name, warmup_steps, decay_steps, stable_steps, "
             "min_lr_ratio, wsd_decay, rex_alpha"},
        Case{"{\"model\": {\n\"layers\": \"4\"}}",
             "my.json:2: model.layers is \"4\"; allowed: a 64-bit whole number, [1, "
             "65536]"},
        Case{"{\"model\": {\"layers\": 4.0}}",
             "my.json:1: model.layers is 4.0; allowed: a 64-bit whole number, [1, "
             "65536]"},
        Case{"{\"model\": {\"dropout\": \"NaN\"}}",
             "my.json:1: model.dropout is \"NaN\"; allowed: a number, [0, 1)"},
        Case{"{\"model\": {\"tied\": \"true\"}}",
             "my.json:1: model.tied is \"true\"; allowed: true | false"},
        Case{"{\"data\": {\"path\": 3}}",
             "my.json:1: data.path is 3; allowed: a text in quotes"},
        Case{"{\"model\": 3}", "my.json:1: model is 3; allowed: a block { }"},
        Case{"{\"model\": {\"dim\": {}}}",
             "my.json:1: model.dim is {; allowed: a 64-bit whole number, [1, "
             "1048576]"},
        Case{"{\"optimizer\": {\"group\": 3}}",
             "my.json:1: optimizer.group is 3; allowed: a list of blocks { }"},
        Case{"{\"model\": {}, \n\"model\": {}}",
             "my.json:2: model is given twice, first in line 1"},
        Case{"{\"model\": {\"dim\": 8, \n\"dim\": 8}}",
             "my.json:2: model.dim is given twice, first in line 1"}));

INSTANTIATE_TEST_SUITE_P(
    Syntax, JsonFileErrorTest,
    Values(
        Case{"{\"model\": {\"dim\": 8,\n\"heads\": }}",
             "my.json:2: model.heads has no value; allowed: a 64-bit whole number, [1, "
             "1048576]"},
        Case{"{\"model\": {\"dim\": 8}\n", "my.json:2: the file ends; a } is missing"},
        Case{"{\"model\": {\"dim\": 8\n",
             "my.json:2: the file ends inside 'model'; a } is missing"},
        Case{"{\"model\": {}}\n}",
             "my.json:2: syntax error: Parsing terminated before end of input."},
        Case{"{\n\"model\" {\"dim\": 1}}",
             "my.json:2: syntax error: Expected : between key:value pair."},
        Case{"{\"model\":\n {\"dim\": 1,,}}",
             "my.json:2: syntax error: Expected an object key or }."},
        Case{"{\"model\":\n {\"init_std\": 1e400}}",
             "my.json:2: syntax error: Number exceeds the range of double."},
        Case{"{\"optimizer\": {\"group\": [null]}}",
             "my.json:1: optimizer.group is null; allowed: a list of blocks { }"},
        Case{"{\"optimizer\": {\"group\": [3]}}",
             "my.json:1: optimizer.group is 3; allowed: a list of blocks { }"},
        Case{"{\"optimizer\": {\"group\": [\"x\"]}}",
             "my.json:1: optimizer.group is \"x\"; allowed: a list of blocks { }"},
        Case{"[]", "my.json: syntax error: Root element must be a message."},
        Case{"",
             "my.json: syntax error: Unexpected end of string. Expected a value."}));

}  // namespace
}  // namespace shardopt::config
