#include "paths.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "shardopt/checkpoint/root.h"

namespace shardopt::checkpoint {
namespace {

TEST(PathsTest, NamesStepsSoThatTheySortAsNumbers) {
  EXPECT_EQ(step_folder_name(0), "step_000000000000");
  EXPECT_EQ(step_folder_name(1000), "step_000000001000");
  EXPECT_EQ(step_folder_name(std::numeric_limits<int64_t>::max()),
            "step_9223372036854775807");
}

TEST(PathsTest, ReadsBackTheStepOfItsOwnNames) {
  for (const int64_t step :
       {int64_t{0}, int64_t{1}, int64_t{999'999'999'999}, int64_t{1'000'000'000'000},
        std::numeric_limits<int64_t>::max()}) {
    EXPECT_EQ(parse_step_folder(step_folder_name(step)), step);
  }
}

TEST(PathsTest, ReadsNoStepFromOtherNames) {
  for (const char* name :
       {"", "step_", "step_7", "step_00000000000x", "step_0000000000007",
        "step_-00000000007", "step_+00000000007", "step_ 00000000007",
        "step_000000000007 ", "step_000000000007.tmp", "Step_000000000007",
        "xstep_000000000007", "step_9223372036854775808",
        "step_99999999999999999999"}) {
    EXPECT_EQ(parse_step_folder(name), std::nullopt) << name;
  }
}

TEST(PathsTest, MakesAnotherAttemptEachTime) {
  const std::string attempt = make_attempt();
  EXPECT_TRUE(is_attempt_folder(attempt_folder_name(attempt))) << attempt;
  EXPECT_NE(attempt, make_attempt());
}

TEST(PathsTest, KnowsAttemptFolders) {
  EXPECT_TRUE(is_attempt_folder("a-0123456789abcdef0123456789abcdef"));
  for (const char* name :
       {"", "a-", "a-0123456789abcdef0123456789abcde",
        "a-0123456789abcdef0123456789abcdef0", "a-0123456789ABCDEF0123456789ABCDEF",
        "a-../../../../../../../../../../etc", "b-0123456789abcdef0123456789abcdef"}) {
    EXPECT_FALSE(is_attempt_folder(name)) << name;
  }
}

TEST(PathsTest, KnowsDataFiles) {
  EXPECT_EQ(data_file_name(3), "rank-00003.safetensors");
  EXPECT_EQ(data_file_name(std::numeric_limits<int>::max()),
            "rank-2147483647.safetensors");
  EXPECT_TRUE(is_data_file(data_file_name(0)));
  EXPECT_TRUE(is_data_file(data_file_name(std::numeric_limits<int>::max())));
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("../x"),
        std::string("/etc/passwd"), std::string("a/../../x"), std::string("a//b"),
        std::string("rank-.safetensors"), std::string("rank-1.safetensors"),
        std::string("rank-0000a.safetensors"), std::string("rank-00003.safetensors\n"),
        std::string("rank-00003.safetensors.tmp"),
        std::string("rank-0\\003.safetensors"), std::string("rank-00/03.safetensors"),
        std::string("rank-safetensors"), std::string("rank-00003\0.safetensors", 23),
        "rank-" + std::string(300, '0') + ".safetensors"}) {
    EXPECT_FALSE(is_data_file(name)) << name;
  }
}

TEST(PathsTest, KnowsTemporariesOfItsOwn) {
  const std::string attempt = "0123456789abcdef0123456789abcdef";
  EXPECT_EQ(temporary_name("MANIFEST", attempt), "MANIFEST.tmp." + attempt);
  EXPECT_TRUE(is_temporary("MANIFEST.tmp." + attempt));
  EXPECT_TRUE(is_temporary("LATEST.tmp." + attempt));
  for (const std::string& name :
       {std::string("MANIFEST"), std::string("MANIFEST.tmp"),
        std::string("MANIFEST.tmp."), "PIN.tmp." + attempt,
        "MANIFEST.tmp." + attempt + "0", "xMANIFEST.tmp." + attempt}) {
    EXPECT_FALSE(is_temporary(name)) << name;
  }
}

TEST(PathsTest, SaysWhyANameCannotBeATensors) {
  EXPECT_EQ(problem_of_tensor_name("layers.0/w \xc3\xa4@\\"), "");
  EXPECT_EQ(problem_of_tensor_name(std::string(4096, 'x')), "");
  EXPECT_EQ(problem_of_tensor_name(""), "its name is empty");
  EXPECT_EQ(problem_of_tensor_name(std::string(4097, 'x')),
            "its name has 4097 bytes; allowed: 4096");
  EXPECT_EQ(problem_of_tensor_name("\xff"), "its name is not UTF-8");
  EXPECT_EQ(problem_of_tensor_name("__metadata__"), "its name is the format's own");
  for (const std::string& name : {std::string("a\n"), std::string("\x7f"),
                                  std::string("a\0b", 3), std::string("\x1f")}) {
    EXPECT_EQ(problem_of_tensor_name(name), "its name holds a control character");
  }
}

// The first and the last of each length, and their neighbours that are none (RFC 3629).
TEST(PathsTest, KnowsUtf8) {
  for (const char* text : {"", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
                           "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xc3\xa4z"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  for (const char* text :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2z", "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xe2\x82", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x90\x80", "\xff", "a\xc3"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
  }
}

}  // namespace
}  // namespace shardopt::checkpoint
