// Files that are damaged in every way: one line, never a crash.
#include <random>

#include "config_test_support.h"
#include "field_scan.h"
#include "parse_file.h"

namespace shardopt::config {
namespace {

using test::ConfigFolder;

constexpr const char* kText = R"(# A comment.
model { layers: 6 tied: false }
data { path: "text \303\244" 'more' }
optimizer {
  name: "muon"
  group: [{ pattern: "a" lr: 1e-3 }, { }]
  options { name: "x" number: -3 }
  muon < adamw { lr: 1 } >
}
)";

constexpr const char* kJson = R"({"model": {"layers": 6, "tied": false},
  "data": {"path": "text \u00e4"},
  "optimizer": {"group": [{"pattern": "a", "lr": 1e-3}, {}], "lr": null,
  "options": [{"name": "x", "number": -3}], "muon": {"adamw": {"lr": 1}}}}
)";

/// Loads `text`; what is wrong must be a ConfigError of one line.
void expect_loads_or_explains(const ConfigFolder& folder, const std::string& text) {
  const std::string error = folder.error(text);
  const bool is_explained = error == "(no error)" || error.starts_with("my.txtpb:");
  EXPECT_TRUE(is_explained) << error << " for\n" << text;
}

TEST(DamagedFileTest, IsExplainedWhereverItIsCut) {
  const ConfigFolder folder;
  for (const std::string whole : {kText, kJson}) {
    ASSERT_EQ(folder.error(whole), "(no error)");
    for (std::size_t size = 0; size < whole.size(); ++size) {
      expect_loads_or_explains(folder, whole.substr(0, size));
      expect_loads_or_explains(folder, whole.substr(size));
    }
  }
}

TEST(DamagedFileTest, IsExplainedWhicheverLetterIsReplaced) {
  const ConfigFolder folder;
  const std::string letters = "{}[]<>:,;\"'\\#-0aZ.\n /\x01\x80";
  std::mt19937 random(1);
  for (const std::string whole : {kText, kJson}) {
    for (std::size_t i = 0; i < whole.size(); ++i) {
      std::string damaged = whole;
      damaged[i] = letters[random() % letters.size()];
      expect_loads_or_explains(folder, damaged);
    }
  }
}

TEST(DamagedFileTest, IsExplainedIfItIsRandom) {
  const ConfigFolder folder;
  const std::vector<std::string> words{
      "model",  "{", "}",  "layers",  ":", "3", "-",         "\"x\"", "optimizer",
      "group",  "[", "]",  "options", ",", "<", ">",         "name",  "\"model\"",
      "\"lr\"", "e", "\n", "0x",      "'", "#", "\"group\"", "null",  "\"options\""};
  std::mt19937 random(2);
  for (int i = 0; i < 3000; ++i) {
    std::string text = i % 2 == 0 ? "" : "{";
    const std::size_t count = random() % 24;
    for (std::size_t j = 0; j < count; ++j) {
      text += words[random() % words.size()] + (random() % 3 == 0 ? "" : " ");
    }
    expect_loads_or_explains(folder, text);
  }
}

TEST(DamagedFileTest, DeepNestingIsExplained) {
  const ConfigFolder folder;
  const auto repeated = [](const std::string& part) {
    std::string text;
    while (text.size() < 1'000'000) text += part;
    return text;
  };
  for (const std::string part : {"{", "[", "model {", "model: [", "{\"model\":", "<",
                                 "optimizer { group {", "\"", "\\", "-"}) {
    expect_loads_or_explains(folder, repeated(part));
    expect_loads_or_explains(folder, "{\"model\":" + repeated(part));
    expect_loads_or_explains(folder, "model {" + repeated(part));
  }
}

TEST(DamagedFileTest, LongNamesAndValuesAreShortened) {
  const ConfigFolder folder;
  const std::string name(1'000'000, 'x');

  EXPECT_LT(folder.error("model { " + name + ": 3 }").size(), 400u);
  EXPECT_LT(folder.error("model { layers: " + name + " }").size(), 400u);
  EXPECT_LT(folder.error("data { order: \"" + name + "\" }").size(), 1000u);
}

}  // namespace
}  // namespace shardopt::config
