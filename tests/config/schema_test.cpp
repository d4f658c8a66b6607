// The schema and the option structs, which must agree.
#include "schema.h"

#include <map>

#include "config_test_support.h"
#include "option_tree.h"

namespace shardopt::config {
namespace {

using Types = std::map<std::string, std::string>;  // By path.

Types schema_types() {
  Types types;
  for (const SchemaField& field : schema_fields()) types[field.path] = field.type;
  return types;
}

TEST(SchemaTest, HasTheFieldsThatTheOptionsHaveWithTheirTypesAndNoOthers) {
  TrainConfig config = defaults_with_entries();
  Types options{{"optimizer.options[0]", "named values"}};
  for_each_option(make_option_tree(config),
                  [&](const std::string& path, const Option& option) {
                    options[path] = option.type;
                  });

  EXPECT_EQ(schema_types(), options);
}

TEST(SchemaTest, KeepsTheNamesThatUsersRelyOn) {
  const Types types = schema_types();

  for (const char* path : {"model.layers",
                           "model.dim",
                           "model.heads",
                           "model.context",
                           "model.dropout",
                           "data.path",
                           "data.order",
                           "optimizer.name",
                           "optimizer.lr",
                           "schedule.name",
                           "schedule.warmup_steps",
                           "optimizer.weight_decay",
                           "train.steps",
                           "train.batch",
                           "train.accumulation",
                           "train.seed",
                           "train.clip_norm",
                           "train.threads",
                           "mesh.shard",
                           "mesh.replicate",
                           "output.path",
                           "output.overwrite",
                           "optimizer.muon.momentum",
                           "optimizer.muon.adamw.lr",
                           "optimizer.muon.preset",
                           "optimizer.caution",
                           "transform[0].name",
                           "loss_scale.mode",
                           "average.momentum"}) {
    EXPECT_TRUE(types.contains(path)) << path;
  }
}

TEST(SchemaTest, EveryFieldCanBeSetByAFileAndByAnOverride) {
  const test::ConfigFolder folder;
  TrainConfig defaults = defaults_with_entries();

  for_each_option(
      make_option_tree(defaults), [&](const std::string& path, const Option& option) {
        OptionValue value = option.get();
        if (path == "transform[0].name") value = std::string("unscale");  // No default.
        if (std::holds_alternative<std::monostate>(value)) return;
        const auto* text = std::get_if<std::string>(&value);
        const std::string shown = text != nullptr ? *text : to_string(value);
        EXPECT_NO_THROW((void)folder.load("", {path + "=" + shown})) << path;
      });
}

}  // namespace
}  // namespace shardopt::config
