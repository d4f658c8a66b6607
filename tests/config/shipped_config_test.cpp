// The configurations that come with the programs.
#include "config_test_support.h"
#include "shardopt/config/check_config.h"

namespace shardopt::config {
namespace {

class ShippedConfigTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ShippedConfigTest, FitsUpToFourRanksAndUsesAllOfItself) {
  const std::filesystem::path path =
      std::filesystem::path(SHARDOPT_CONFIGS) / GetParam();

  const TrainConfig config = load_config({.file = path});

  for (const int ranks : {1, 2, 4}) EXPECT_NO_THROW(check_config(config, ranks));
  EXPECT_EQ(unused_blocks(config), std::vector<std::string>{});
  EXPECT_EQ(config.model.dropout, 0.0);
  EXPECT_LE(config.schedule.warmup_steps, 10);
  EXPECT_EQ(config.data.path, "build/data/bible.txt");
}

INSTANTIATE_TEST_SUITE_P(All, ShippedConfigTest,
                         ::testing::Values("quickstart.txtpb", "muon.txtpb",
                                           "adamw.txtpb", "lion.txtpb"));

TEST(ShippedConfigTest, AreAllListedAbove) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(SHARDOPT_CONFIGS)) {
    names.insert(entry.path().filename());
  }

  const std::set<std::string> expected{"quickstart.txtpb", "muon.txtpb", "adamw.txtpb",
                                       "lion.txtpb"};
  EXPECT_EQ(names, expected);
}

}  // namespace
}  // namespace shardopt::config
