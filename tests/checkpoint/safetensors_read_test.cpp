#include <sys/stat.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors_bytes.h"
#include "shardopt/checkpoint/safetensors.h"
#include "shardopt/core/error.h"
#include "support/scratch_dir.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;

class SafetensorsReadTest : public testing::Test {
 protected:
  const fs::path path() const { return scratch_.path() / "x.safetensors"; }

  /// What reading the file says, without the file's name in front.
  std::string failure() const {
    try {
      static_cast<void>(read_safetensors(path()));
    } catch (const CheckpointError& error) {
      const std::string message = error.what_without_backtrace();
      const std::string prefix = path().string() + ": ";
      EXPECT_TRUE(message.starts_with(prefix)) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      return message.substr(prefix.size());
    }
    return "no failure";
  }
  std::string failure_of(const std::string& header,
                         const std::string& data = "") const {
    test::write_bytes(path(), test::safetensors_bytes(header, data));
    return failure();
  }
  /// Of one tensor "w" with these fields, in a file with 8 bytes of data.
  std::string failure_of_fields(const std::string& fields) const {
    return failure_of(c10::str("{\"w\":{", fields, "}}"), "12345678");
  }

 private:
  const test::ScratchDir scratch_;
};

TEST_F(SafetensorsReadTest, ReadsAFileMadeByHand) {
  const std::string header =
      R"({"b":{"shape":[2],"dtype":"U8","data_offsets":[4,6]},)"
      R"("__metadata__":{"format":"pt"},"z":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},)"
      R"("a":{"dtype":"I32","shape":[],"data_offsets":[0,4]}}  )";
  test::write_bytes(path(), test::safetensors_bytes(header, {"\x2a\0\0\0\x01\x02", 6}));

  const SafetensorsFile read = read_safetensors(path());

  EXPECT_EQ(read.tensors.size(), 3u);
  EXPECT_EQ(read.tensors.at("a").item<int>(), 42);
  EXPECT_TRUE(at::equal(read.tensors.at("b"), at::tensor({1, 2}, at::kByte)));
  EXPECT_EQ(read.tensors.at("z").sizes(), at::IntArrayRef({0, 3}));
  EXPECT_EQ(read.metadata.at("format"), "pt");
}

TEST_F(SafetensorsReadTest, NamesPathAndCauseOfAFileThatCannotBeOpened) {
  EXPECT_EQ(failure(), "opening failed: No such file or directory");
}

TEST_F(SafetensorsReadTest, RefusesWhatIsNoRegularFileWithoutWaiting) {
  fs::create_directory(path());
  EXPECT_EQ(failure(), "not a regular file");
  fs::remove(path());
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  EXPECT_EQ(failure(), "not a regular file");
}

TEST_F(SafetensorsReadTest, RefusesHeadersLongerThanTheFileOrTheLimit) {
  test::write_bytes(path(), "1234567");
  EXPECT_EQ(failure(), "it has 7 bytes; a header needs 8 at least");
  test::write_bytes(path(), std::string("\x03\0\0\0\0\0\0\0{}", 10));
  EXPECT_EQ(failure(), "its header has 3 bytes, the file 10");
  test::write_bytes(path(), std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10));
  EXPECT_EQ(failure(), "its header has 100000001 bytes; allowed: 100000000");
  test::write_bytes(path(), std::string(8, '\xff') + "{}");
  EXPECT_EQ(failure(), "its header has 18446744073709551615 bytes; allowed: 100000000");
}

TEST_F(SafetensorsReadTest, RefusesHeadersThatAreNoJsonObject) {
  EXPECT_EQ(failure_of(""), "the header does not begin with '{'");
  EXPECT_EQ(failure_of("[1]"), "the header does not begin with '{'");
  EXPECT_EQ(failure_of(" {}"), "the header does not begin with '{'");
  EXPECT_TRUE(failure_of("{\"a\":").starts_with("the header is not JSON: "));
  EXPECT_TRUE(failure_of("{} {}").starts_with("the header is not JSON: "));
  EXPECT_TRUE(failure_of("{\"\xff\":1}").starts_with("the header is not JSON: "));
  EXPECT_TRUE(
      failure_of(std::string("{}\0", 3)).starts_with("the header is not JSON: "));
}

TEST_F(SafetensorsReadTest, RefusesDeepNestingAtOnce) {
  EXPECT_EQ(failure_of("{\"w\":" + std::string(100'000, '[')),
            "the header nests deeper than 3");
}

TEST_F(SafetensorsReadTest, RefusesAKeyThatIsThereTwice) {
  const std::string w = R"("w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_EQ(failure_of("{" + w + "," + w + "}"),
            R"(the header holds the key "w" twice)");
  EXPECT_EQ(failure_of_fields(
                R"("dtype":"U8","dtype":"I8","shape":[8],"data_offsets":[0,8])"),
            R"(the header holds the key "dtype" twice)");
  EXPECT_EQ(failure_of(R"({"w":{},"\u0077":{}})"),
            R"(the header holds the key "w" twice)");
}

TEST_F(SafetensorsReadTest, RefusesANulInANameOrText) {
  EXPECT_EQ(failure_of(R"({"w\u0000":{}})"), R"(a name or text holds a NUL: "w"...)");
  EXPECT_EQ(failure_of(R"({"__metadata__":{"a":"b\u0000"}})"),
            R"(a name or text holds a NUL: "b"...)");
}

TEST_F(SafetensorsReadTest, RefusesMetadataThatIsNotText) {
  const std::string expected = "__metadata__ is not an object of texts";
  EXPECT_EQ(failure_of(R"({"__metadata__":{"a":1}})"), expected);
  EXPECT_EQ(failure_of(R"({"__metadata__":[]})"), expected);
}

TEST_F(SafetensorsReadTest, RefusesMissingAndUnknownFields) {
  const std::string expected =
      R"(tensor "w" needs exactly the fields dtype, shape and data_offsets)";
  EXPECT_EQ(failure_of(R"({"w":1})"), expected);
  EXPECT_EQ(failure_of_fields(R"("dtype":"U8","shape":[8])"), expected);
  EXPECT_EQ(failure_of_fields(R"("dtype":"U8","shape":[8],"offsets":[0,8])"), expected);
  EXPECT_EQ(failure_of_fields(
                R"("dtype":"U8","shape":[8],"data_offsets":[0,8],"device":"cpu")"),
            expected);
}

TEST_F(SafetensorsReadTest, RefusesDtypesThatLibTorchLacks) {
  EXPECT_TRUE(failure_of_fields(R"("dtype":"F4","shape":[16],"data_offsets":[0,8])")
                  .starts_with(R"(tensor "w": dtype is "F4"; allowed: BOOL, U8, I8)"));
  EXPECT_TRUE(failure_of_fields(R"("dtype":8,"shape":[8],"data_offsets":[0,8])")
                  .starts_with(R"(tensor "w": dtype is 8; allowed: BOOL, U8, I8)"));
}

TEST_F(SafetensorsReadTest, RefusesNumbersThatAreNoCounts) {
  for (const std::string number :
       {"8.0", "8e0", "-8", "18446744073709551616", "9223372036854775808", "\"8\"",
        "null", "true", "-0"}) {
    SCOPED_TRACE(number);
    EXPECT_TRUE(failure_of_fields("\"dtype\":\"U8\",\"shape\":[" + number +
                                  "],\"data_offsets\":[0,8]")
                    .starts_with("tensor \"w\": shape holds "));
    EXPECT_TRUE(
        failure_of_fields("\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0," +
                          number + "]")
            .starts_with("tensor \"w\": data_offsets holds "));
  }
  EXPECT_EQ(failure_of_fields(R"("dtype":"U8","shape":8,"data_offsets":[0,8])"),
            R"(tensor "w": shape is not an array)");
  EXPECT_EQ(failure_of_fields(R"("dtype":"U8","shape":[8],"data_offsets":[0,4,8])"),
            R"(tensor "w": data_offsets has 3 numbers; it needs 2)");
}

TEST_F(SafetensorsReadTest, RefusesSizesThatOverflowOrDifferFromTheShape) {
  EXPECT_EQ(
      failure_of_fields(
          R"("dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8])"),
      R"(tensor "w": the size of its shape overflows)");
  EXPECT_EQ(failure_of_fields(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"),
            R"(tensor "w": its shape has 12 bytes, but data_offsets are 0 to 8)");
  EXPECT_EQ(failure_of_fields(R"("dtype":"U8","shape":[0],"data_offsets":[8,0])"),
            R"(tensor "w": its shape has 0 bytes, but data_offsets are 8 to 0)");
  EXPECT_NE(
      failure_of(
          R"({"w":{"dtype":"F32","shape":[0,4611686018427387904,8],"data_offsets":[0,0]}})"),
      "no failure");
}

std::string byte_tensor(const std::string& name, int begin, int end) {
  return c10::str("\"", name, R"(":{"dtype":"U8","shape":[)", end - begin,
                  R"(],"data_offsets":[)", begin, ",", end, "]}");
}

TEST_F(SafetensorsReadTest, RefusesHolesOverlapsAndAWrongEnd) {
  const auto two = [](int end, int begin) {
    return c10::str("{", byte_tensor("a", 0, end), ",", byte_tensor("b", begin, 8),
                    "}");
  };
  const std::string starts = R"(tensor "b" begins at byte )";
  const std::string where = " of the data, where the tensors before it end at ";
  EXPECT_EQ(failure_of(two(4, 5), "12345678"), starts + "5" + where + "4");
  EXPECT_EQ(failure_of(two(4, 3), "12345678"), starts + "3" + where + "4");
  EXPECT_EQ(failure_of(c10::str("{", byte_tensor("b", 1, 8), "}"), "12345678"),
            starts + "1" + where + "0");
  EXPECT_EQ(failure_of(two(4, 4), "1234567"),
            "the tensors have 8 bytes, but the file holds 7");
  EXPECT_EQ(failure_of(two(4, 4), "123456789"),
            "the tensors have 8 bytes, but the file holds 9");
  EXPECT_EQ(failure_of("{}", "1"), "the tensors have 0 bytes, but the file holds 1");
}

// Every truncation of a good file is refused.
TEST_F(SafetensorsReadTest, RefusesEveryTruncation) {
  const std::string whole =
      test::safetensors_bytes(c10::str("{", byte_tensor("a", 0, 8), "}"), "12345678");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    test::write_bytes(path(), whole.substr(0, size));
    EXPECT_NE(failure(), "no failure") << size;
  }
}

// Random damage to the header gives an error or a file that keeps the rules: no crash,
// and no allocation beyond the file's size (a sanitizer would see the first).
TEST_F(SafetensorsReadTest, SurvivesRandomDamage) {
  const std::string whole = test::safetensors_bytes(
      c10::str("{", byte_tensor("a", 0, 8), ",", byte_tensor("bb", 8, 20), "}"),
      std::string(12, 'x') + "12345678");
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = whole;
    for (int k = 0; k <= i % 3; ++k) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    test::write_bytes(path(), damaged);
    refused += failure() == "no failure" ? 0 : 1;
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace shardopt::checkpoint
