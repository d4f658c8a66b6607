// Configurations for people to read, and for ranks to compare.
#include "shardopt/config/print_config.h"

#include <cmath>
#include <limits>

#include "config_test_support.h"
#include "option_tree.h"
#include "schema.h"

namespace shardopt::config {
namespace {

using test::ConfigFolder;

/// Every option with another value than its default, where there is one.
TrainConfig make_everything_set() {
  TrainConfig config;
  for (const BlockList& list : block_lists(config)) list.resize(2);
  const auto choose = [](const Option& option) -> OptionValue {
    if (option.type == "flag") return option.get() != OptionValue(true);
    if (option.type == "integer") return int64_t{7};
    if (option.type == "number") return 0.1 + 0.2;  // Needs all 17 digits.
    const std::size_t bar = option.allowed.rfind("| ");
    if (bar != std::string::npos) return option.allowed.substr(bar + 2);
    return "a \"b\" \\c\n\t#{}"
           "\xC3\xA4\x7F";
  };
  for_each_option(make_option_tree(config),
                  [&](const std::string& path, const Option& option) {
                    OptionValue value = choose(option);
                    // Of one choice only, or with a range that the value misses.
                    if (path == "mesh.layout" || path == "optimizer.muon.mode") return;
                    if (!option.problem(value).empty()) value = 2.5;
                    ASSERT_EQ(option.problem(value), "") << path;
                    option.set(value);
                  });
  config.optimizer.options = {{"flag", true},
                              {"integer", std::numeric_limits<int64_t>::min()},
                              {"number", 1e22},
                              {"whole number", 3.0},
                              {"te\"xt", std::string("\xFF\xFE 3")}};
  return config;
}

std::vector<std::pair<std::string, OptionValue>> values_of(TrainConfig config) {
  std::vector<std::pair<std::string, OptionValue>> values;
  for_each_option(make_option_tree(config),
                  [&](const std::string& path, const Option& option) {
                    values.emplace_back(path, option.get());
                  });
  return values;
}

void expect_round_trip(const TrainConfig& config) {
  const std::string text = print_config(config);

  const TrainConfig loaded = ConfigFolder().load(text);

  EXPECT_EQ(values_of(loaded), values_of(config)) << text;
  EXPECT_EQ(loaded.optimizer.options, config.optimizer.options);
  EXPECT_EQ(print_config(loaded), text);
}

TEST(PrintConfigTest, LoadsAgainToTheDefaults) { expect_round_trip(load_config({})); }

TEST(PrintConfigTest, LoadsAgainWithEverythingSet) {
  const TrainConfig config = make_everything_set();
  EXPECT_NE(values_of(config)[0].second, values_of(load_config({}))[0].second);

  expect_round_trip(config);
}

TEST(PrintConfigTest, KeepsDoublesBitForBit) {
  const double values[] = {5e-324,
                           std::numeric_limits<double>::min(),
                           std::numeric_limits<double>::max(),
                           std::nextafter(1.0, 2.0),
                           123456789012345680000.0,
                           9007199254740993.0,
                           1.0 / 3.0,
                           0.0,
                           -0.0};
  for (const double value : values) {
    TrainConfig config;
    config.optimizer.lr = value;

    const double lr = ConfigFolder().load(print_config(config)).optimizer.lr.value();

    EXPECT_EQ(std::signbit(lr), std::signbit(value));
    EXPECT_EQ(lr, value);
  }
}

TEST(PrintConfigTest, ShowsWhatIsUnsetAsAComment) {
  TrainConfig config;
  config.data.path = "a";

  const std::string text = print_config(config);

  EXPECT_TRUE(text.starts_with("model {\n  layers: 4\n  dim: 128\n")) << text;
  EXPECT_NE(text.find("\n  # lr: unset (number, >= 0)\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\ndata {\n  path: \"a\"\n"), std::string::npos) << text;
}

TEST(ConfigHelpTest, HasALineForEveryFieldOfTheSchema) {
  const std::string help = "\n" + config_help();

  for (const SchemaField& field : schema_fields()) {
    std::string path = field.path;
    const std::size_t index = path.find("[0]");
    if (field.type == "named values") path.replace(index, 3, ".NAME");
    if (field.type != "named values" && index != std::string::npos) {
      path.replace(index, 3, "[i]");
    }
    EXPECT_NE(help.find("\n" + path + " "), std::string::npos) << path;
  }
}

TEST(ConfigHelpTest, AlignsTypeDefaultAllowedAndMeaning) {
  const std::string help = config_help();
  const std::string header = help.substr(0, help.find('\n'));

  const auto line_of = [&](const std::string& path) {
    const std::size_t begin = help.find("\n" + path + " ") + 1;
    return help.substr(begin, help.find('\n', begin) - begin);
  };
  const std::string line = line_of("train.clip_norm");

  EXPECT_EQ(line.find("number"), header.find("type"));
  EXPECT_EQ(line.find("1 "), header.find("default"));
  EXPECT_EQ(line.find(">= 0"), header.find("allowed"));
  EXPECT_EQ(line.find("Largest norm"), header.find("meaning"));
}

TEST(ConfigHelpTest, EveryOptionHasAMeaning) {
  TrainConfig config = defaults_with_entries();

  for_each_option(make_option_tree(config),
                  [](const std::string& path, const Option& option) {
                    EXPECT_TRUE(option.help.ends_with(".")) << path;
                  });
}

TEST(FingerprintTest, DiffersWithEveryFieldThatRanksMustAgreeOn) {
  const TrainConfig everything = make_everything_set();
  TrainConfig config;
  for (const BlockList& list : block_lists(config)) list.resize(2);
  TrainConfig other = everything;
  const Block changed = make_option_tree(other);
  const uint64_t before = config_fingerprint(config);

  for_each_option(
      make_option_tree(config), [&](const std::string& path, const Option& option) {
        const OptionValue value = option.get();
        const OptionValue another = find_option(changed, path)->get();
        if (value == another) return;  // Of one choice only.
        option.set(another);
        const bool is_own = path == "output.path" || path == "train.threads";
        EXPECT_EQ(config_fingerprint(config) == before, is_own) << path;
        option.set(value);
      });
  EXPECT_EQ(config_fingerprint(config), before);
}

TEST(FingerprintTest, DiffersWithNamedValuesTheirTypesAndGroups) {
  TrainConfig integer;
  integer.optimizer.options["a"] = int64_t{1};
  TrainConfig number;
  number.optimizer.options["a"] = 1.0;
  TrainConfig group;
  group.optimizer.groups.resize(1);
  TrainConfig transform;
  transform.transforms.resize(1);

  const std::set<uint64_t> fingerprints{
      config_fingerprint(load_config({})), config_fingerprint(integer),
      config_fingerprint(number), config_fingerprint(group),
      config_fingerprint(transform)};

  EXPECT_EQ(fingerprints.size(), 5u);
}

}  // namespace
}  // namespace shardopt::config
