// Cases of shardopt-replay: what is read, and what is wrong with others.
#include "replay/case.h"

#include <cmath>

#include <gtest/gtest.h>

#include "shardopt/core/error.h"

namespace shardopt::replay {
namespace {

using ::testing::TestWithParam;
using ::testing::Values;

constexpr char kCase[] = R"({
  "dtype": "float64",
  "parameters": [
    {"name": "w", "shape": [3, 2], "values": [1, 2, 3, 4, 5, 6], "role": "embedding"},
    {"name": "s", "shape": [], "values": [-0.5]}],
  "gradients": [[[1, 2, 3, 4, 5, 6], null],
                [["inf", "-inf", "nan", 0, 1e-300, -7], [8]]],
  "ranks": 2, "replicas": 3, "cuts": {"w": [0, 3, 3]},
  "optimizer": {"name": "lion", "lr": 0.5}
})";

/// The case with `from`, which it has once, replaced by `to`.
std::string with(const std::string& from, const std::string& to) {
  std::string text = kCase;
  const std::size_t begin = text.find(from);
  EXPECT_NE(begin, std::string::npos) << from;
  EXPECT_EQ(text.find(from, begin + 1), std::string::npos) << from;
  return text.replace(begin, from.size(), to);
}

std::string with_config(const std::string& more) {
  return with("\"lr\": 0.5}", "\"lr\": 0.5}, " + more);
}

std::string error_of(const std::string& text) {
  try {
    (void)read_case(text);
  } catch (const ConfigError& error) {
    return error.what_without_backtrace();
  }
  return "(no error)";
}

TEST(ReplayCaseTest, HasWholeTensorsOfItsDtypeAndTheirCuts) {
  const Case read = read_case(kCase);

  ASSERT_EQ(read.parameters.size(), 2u);
  const CaseParameter& w = read.parameters[0];
  EXPECT_EQ(w.name, "w");
  EXPECT_EQ(w.role, ParameterRole::kEmbedding);
  EXPECT_EQ(w.values.scalar_type(), at::kDouble);
  EXPECT_EQ(w.values.sizes(), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(w.values[1][0].item<double>(), 3.0);
  EXPECT_EQ(w.offsets, (std::vector<int64_t>{0, 3, 3}));
  const CaseParameter& s = read.parameters[1];
  EXPECT_EQ(s.values.sizes(), std::vector<int64_t>{1});
  EXPECT_EQ(s.role, ParameterRole::kHidden);
  EXPECT_EQ(s.offsets, (std::vector<int64_t>{0, 1, 1}));
  EXPECT_EQ(read.ranks, 2);
  EXPECT_EQ(read.replicas, 3);
}

TEST(ReplayCaseTest, HasGradientsThatMayBeMissingOrNotFinite) {
  const Case read = read_case(kCase);

  ASSERT_EQ(read.gradients.size(), 2u);
  EXPECT_EQ(read.gradients[0][0].sizes(), (std::vector<int64_t>{3, 2}));
  EXPECT_FALSE(read.gradients[0][1].defined());
  const double* values = read.gradients[1][0].const_data_ptr<double>();
  EXPECT_EQ(values[0], HUGE_VAL);
  EXPECT_EQ(values[1], -HUGE_VAL);
  EXPECT_TRUE(std::isnan(values[2]));
  EXPECT_EQ(values[4], 1e-300);
}

TEST(ReplayCaseTest, ReadsFloat32RoundedOnce) {
  const Case read = read_case(with("float64", "float32"));

  EXPECT_EQ(read.parameters[0].values.scalar_type(), at::kFloat);
  EXPECT_EQ(read.gradients[1][0].scalar_type(), at::kFloat);
  EXPECT_EQ(read.gradients[1][0][2][0].item<float>(), 0.0f);  // 1e-300
}

TEST(ReplayCaseTest, DoesNothingThatItDoesNotName) {
  const Case read = read_case(kCase);

  EXPECT_EQ(read.config.optimizer.name, "lion");
  EXPECT_EQ(read.config.schedule.name, "none");
  EXPECT_EQ(read.config.train.clip_norm, 0.0);
  EXPECT_EQ(read.config.train.accumulation, 1);
  EXPECT_TRUE(read.config.transforms.empty());
}

TEST(ReplayCaseTest, NeedsNoEndOfAScheduleThatHasNone) {
  for (const char* schedule :
       {R"({"name": "constant", "warmup_steps": 3})", R"({"name": "none"})",
        R"({"name": "cosine", "decay_steps": 5})"}) {
    EXPECT_EQ(error_of(with_config("\"schedule\": " + std::string(schedule))),
              "(no error)");
  }
}

struct Bad {
  std::string text;
  std::string error;
};

class ReplayCaseErrorTest : public TestWithParam<Bad> {};

TEST_P(ReplayCaseErrorTest, NamesTheFieldItsValueAndWhatIsAllowed) {
  EXPECT_EQ(error_of(GetParam().text), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Tensors, ReplayCaseErrorTest,
    Values(
        Bad{with("\"float64\"", "\"float46\""),
            "dtype: is 'float46'; allowed: float64 | float32; did you mean "
            "'float64'?"},
        Bad{with("\"dtype\": \"float64\",", ""), "dtype: is missing"},
        Bad{with("\"float64\"", "64"), "dtype: is 64; allowed: a text"},
        Bad{with("[3, 2]", "[2, 2]"),
            "parameters[0].shape: is [2,2], but there are 6 values"},
        Bad{with("[3, 2]", "[1099511627776, 1099511627776, 6]"),
            "parameters[0].shape: is [1099511627776,1099511627776,6], but there are "
            "6 values"},
        Bad{with("[3, 2]", "[-3, -2]"),
            "parameters[0].shape[0]: is -3; allowed: a whole number from 1 to "
            "1099511627776"},
        Bad{with("[3, 2]", "[3.5]"),
            "parameters[0].shape[0]: is 3.5; allowed: a whole number from 1 to "
            "1099511627776"},
        Bad{with("[3, 2]", "[18446744073709551615]"),
            "parameters[0].shape[0]: is 18446744073709551615; allowed: a whole number "
            "from 1 to 1099511627776"},
        Bad{with("[3, 2]", "[6,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"),
            "parameters[0].shape: has 17 dimensions; allowed: up to 16"},
        Bad{with("[3, 2]", "6"), "parameters[0].shape: is 6; allowed: a list"},
        Bad{with("[-0.5]", "[\"nan\"]"),
            "parameters[1].values[0]: is \"nan\"; allowed: a number"},
        Bad{with("[-0.5]", "[true]"),
            "parameters[1].values[0]: is true; allowed: a number"},
        Bad{with("\"embedding\"", "\"heads\""),
            "parameters[0].role: is 'heads'; allowed: embedding | head; did you mean "
            "'head'?"},
        Bad{with("\"role\"", "\"rle\""),
            "unknown field \"rle\" of parameters[0]; did you mean 'role'?; "
            "known: name, shape, values, role"},
        Bad{with("\"name\": \"s\"", "\"name\": \"w\""),
            "parameters[1].name: is 'w', as another one's"},
        Bad{with("\"name\": \"s\"", "\"name\": \"\""), "parameters[1].name: is empty"},
        Bad{with("\"name\": \"s\", ", ""), "parameters[1].name: is missing"},
        Bad{with("[8]", "[8, 9]"),
            "gradients[1][1]: has 2 values; allowed: 1, as the shape says"},
        Bad{with(", null]", "]"),
            "gradients[0]: has 1 entries; allowed: 2, one per parameter"},
        Bad{with("\"inf\"", "\"infinity\""),
            "gradients[1][0][0]: is \"infinity\"; allowed: a number, \"inf\", "
            "\"-inf\", \"nan\""},
        Bad{R"({"dtype": "float64", "parameters": [], "gradients": []})",
            "parameters: is empty; allowed: one or more"},
        Bad{R"({"dtype": "float64", "gradients": [],
                  "parameters": [{"name": "w", "shape": [1], "values": [1]}]})",
            "gradients: is empty; allowed: one call or more"},
        Bad{R"({"dtype": "float32", "gradients": [[null]],
                  "parameters": [{"name": "w", "shape": [1], "values": [1e39]}]})",
            "parameters[0].values[0]: is 1e+39; allowed: up to 3.40282e+38, the "
            "largest float32"}));

INSTANTIATE_TEST_SUITE_P(
    Ranks, ReplayCaseErrorTest,
    Values(Bad{with("\"ranks\": 2", "\"ranks\": 0"),
               "ranks: is 0; allowed: a whole number from 1 to 64"},
           Bad{with("\"ranks\": 2", "\"ranks\": 65"),
               "ranks: is 65; allowed: a whole number from 1 to 64"},
           Bad{with("\"ranks\": 2", "\"ranks\": \"2\""),
               "ranks: is \"2\"; allowed: a whole number from 1 to 64"},
           Bad{with("\"replicas\": 3", "\"replicas\": 33"),
               "replicas: is 33; allowed: a whole number from 1 to 32"},
           Bad{with("\"w\": [0, 3, 3]", "\"v\": [0, 3, 3]"),
               "unknown field \"v\" of cuts; did you mean 'w'?; known: w, s"},
           Bad{with("[0, 3, 3]", "[0, 3]"),
               "cuts.w: has 2 entries; allowed: 3, one more than ranks"},
           Bad{with("[0, 3, 3]", "[0, 1, 2]"),
               "cuts.w: ends at 2; allowed: 3, the parameter's rows"},
           Bad{with("[0, 3, 3]", "[0, 4, 3]"),
               "cuts.w[1]: is 4; allowed: a whole number from 0 to 3"},
           Bad{with("[0, 3, 3]", "[0, 2, 1]"),
               "cuts.w[2]: is 1; allowed: a whole number from 2 to 3"},
           Bad{with("[0, 3, 3]", "[1, 2, 3]"),
               "cuts.w[0]: is 1; allowed: a whole number from 0 to 0"},
           Bad{with("{\"w\": [0, 3, 3]}", "[]"), "cuts: is []; allowed: an object"}));

INSTANTIATE_TEST_SUITE_P(
    Configuration, ReplayCaseErrorTest,
    Values(
        Bad{with("\"lr\": 0.5", "\"lr\": -1"), "optimizer.lr is -1; allowed: >= 0"},
        Bad{with("\"lr\": 0.5", "\"lr\": \"0.5\""),
            "optimizer.lr is \"0.5\"; allowed: a number, >= 0"},
        Bad{with_config("\"model\": {}"), "model: has no meaning in a replay"},
        Bad{with_config("\"mesh\": {\"shard\": 2}"),
            "mesh: has no meaning in a replay"},
        Bad{with_config("\"train\": {\"seed\": 3}"),
            "train.seed: has no meaning in a replay; allowed: train.steps, "
            "train.accumulation, train.clip_norm"},
        Bad{with("\"lr\": 0.5", "\"adamw\": {\"beta1\": 0.5}"),
            "optimizer.adamw: is given, but nothing selects it"},
        Bad{with_config("\"schedule\": {\"warmup_steps\": 3}"),
            "schedule.name: is missing; allowed: constant | cosine | linear | none | "
            "rex | wsd"},
        Bad{with_config("\"schedule\": {\"name\": \"cosine\"}"),
            "train.steps: is missing: schedule 'cosine' ends there, or after "
            "schedule.decay_steps"},
        Bad{with_config("\"transform\": [{\"name\": \"accumulate\", \"steps\": 2}], "
                        "\"train\": {\"accumulation\": 2}"),
            "train.accumulation is 2, but transform[0] is 'accumulate'; allowed: one "
            "of them"},
        Bad{with("\"optimizer\"", "\"optimiser\""),
            "unknown field \"optimiser\"; did you mean 'optimizer'?; known: dtype, "
            "parameters, gradients, ranks, replicas, cuts, optimizer, schedule, train, "
            "transform, loss_scale, average"}));

INSTANTIATE_TEST_SUITE_P(Json, ReplayCaseErrorTest,
                         Values(Bad{"[1]", "is [1]; allowed: an object"},
                                Bad{with("\"ranks\"", "\"dtype\""),
                                    "\"dtype\" is given twice in one object"},
                                Bad{with("\"lr\"", "\"name\""),
                                    "\"name\" is given twice in one object"}));

TEST(ReplayCaseErrorTest, NamesTheBlockOfAnUnknownFieldAndTheNearest) {
  const std::string error = error_of(with("\"lr\"", "\"lrr\""));

  EXPECT_TRUE(error.starts_with("unknown field 'lrr' of optimizer; did you mean 'lr'?"))
      << error;
}

TEST(ReplayCaseErrorTest, SaysWhereTheTextIsNoJson) {
  for (const std::string& text :
       {std::string(), std::string("{\"a\": 1"), std::string("{\"a\": 1e999}"),
        std::string("{\"\xFF\": 1}"), std::string("{} {}"), std::string(5000, '[')}) {
    const std::string error = error_of(text);
    EXPECT_TRUE(error.starts_with("not JSON: ")) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace shardopt::replay
