#include "shardopt/core/crc32c.h"

#include <string>

#include <gtest/gtest.h>

namespace shardopt {
namespace {

// RFC 3720, B.4, and the check value of the CRC catalogues.
TEST(Crc32cTest, MatchesKnownValues) {
  EXPECT_EQ(crc32c("123456789", 9), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0').data(), 32), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff').data(), 32), 0x62a8ab43U);
  EXPECT_EQ(crc32c("", 0), 0U);
}

TEST(Crc32cTest, GoesOnFromTheTextBefore) {
  const uint32_t first = crc32c("1234", 4);
  EXPECT_EQ(crc32c("56789", 5, first), 0xe3069283U);
  EXPECT_EQ(crc32c("", 0, first), first);
}

}  // namespace
}  // namespace shardopt
