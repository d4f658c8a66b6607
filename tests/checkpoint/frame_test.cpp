#include "frame.h"

#include <string>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "shardopt/core/crc32c.h"

namespace shardopt::checkpoint {
namespace {

using test::failure_of;

// `number`, `bytes` of it, in place of what is at `at`; then the frame's CRC is right.
std::string with(std::string file, std::size_t at, std::size_t bytes, uint64_t number) {
  for (std::size_t i = 0; i < bytes; ++i) {
    file[at + i] = static_cast<char>(number >> (8 * i) & 0xff);
  }
  const uint32_t crc = crc32c(file.data(), 28);
  for (std::size_t i = 0; i < 4; ++i) {
    file[28 + i] = static_cast<char>(crc >> (8 * i) & 0xff);
  }
  return file;
}

std::string failure(const std::string& file) {
  return failure_of([&] { static_cast<void>(check_frame(file)); });
}

// crc32c("123456789") = e3069283; `with` has put the CRC of the 28 bytes behind them.
TEST(FrameTest, IsTheseBytes) {
  const std::string file = add_frame("123456789");
  EXPECT_EQ(file.substr(0, 28), std::string("CKPTMAN\x01"  // magic
                                            "\x01\0\0\0"   // major, minor
                                            "\0\0\0\0"     // flags
                                            "\x09\0\0\0\0\0\0\0"
                                            "\x83\x92\x06\xe3",
                                            28));
  EXPECT_EQ(file.substr(32), "123456789");
  EXPECT_EQ(file, with(file, 0, 0, 0));
  EXPECT_EQ(check_frame(file), "123456789");
  EXPECT_EQ(check_frame(add_frame("")), "");
}

TEST(FrameTest, RefusesEveryFlippedBit) {
  const std::string file = add_frame("a payload");
  for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_TRUE(failure(damaged).starts_with("corrupt: ")) << bit;
  }
}

TEST(FrameTest, RefusesEveryOtherLength) {
  const std::string file = add_frame("a payload");
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_TRUE(failure(file.substr(0, size)).starts_with("corrupt: ")) << size;
  }
  EXPECT_EQ(failure(file + "x"),
            "corrupt: its frame says 9 bytes of payload, the file has 10");
  EXPECT_EQ(failure("CKPTMAN\x01"), "corrupt: it has 8 bytes; a frame needs 32");
}

TEST(FrameTest, NamesWhatIsWrong) {
  const std::string file = add_frame("a payload");
  EXPECT_EQ(failure(std::string(41, 'x')),
            "corrupt: it does not start as a manifest does");
  EXPECT_EQ(
      failure(with(file, 16, 8, uint64_t{1} << 63)),
      "corrupt: its frame says 9223372036854775808 bytes of payload, the file has 9");
  EXPECT_EQ(failure(with(file, 24, 4, 0)), "corrupt: the CRC of its payload is wrong");
  std::string damaged = file;
  damaged[28] ^= 1;
  EXPECT_EQ(failure(damaged), "corrupt: the CRC of its frame is wrong");
}

TEST(FrameTest, RefusesOtherMajorVersionsAndFlagsButNoNewerMinorOne) {
  const std::string file = add_frame("a payload");
  EXPECT_EQ(failure(with(file, 8, 2, 2)),
            "unsupported: it is of format 2.0; this program reads format 1");
  EXPECT_EQ(failure(with(file, 8, 2, 0)),
            "unsupported: it is of format 0.0; this program reads format 1");
  EXPECT_EQ(failure(with(file, 12, 4, 1)), "unsupported: its frame has unknown flags");
  EXPECT_EQ(check_frame(with(file, 10, 2, 9)), "a payload");
}

}  // namespace
}  // namespace shardopt::checkpoint
