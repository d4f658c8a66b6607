#include "libtorch_version.h"

#include <gtest/gtest.h>

#include "shardopt/core/error.h"

namespace shardopt::distributed {
namespace {

constexpr uint64_t version(uint64_t major, uint64_t minor, uint64_t patch) {
  return major << 56 | minor << 48 | patch << 40;
}

TEST(LibtorchVersionTest, LoadedLibraryIsThatOfTheHeaders) {
  EXPECT_NO_THROW(check_libtorch_version());
}

TEST(LibtorchVersionTest, AnotherVersionIsNamedError) {
  try {
    check_same_libtorch(version(2, 15, 0), version(2, 11, 3));
    FAIL() << "nothing was thrown";
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what_without_backtrace(),
                 "this program was built with LibTorch 2.15.0 but has loaded 2.11.3; "
                 "allowed: the version it was built with");
  }
}

}  // namespace
}  // namespace shardopt::distributed
