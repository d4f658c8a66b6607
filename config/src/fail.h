/// ConfigErrors of one line.
#pragma once

#include <c10/util/StringUtil.h>

#include "shardopt/core/error.h"

#include "text.h"

namespace shardopt::config {

/// Longest message; what users wrote may be quoted in it.
inline constexpr std::size_t kMaxMessageBytes = 600;

/// Throws ConfigError with its arguments streamed into one line.
template <typename... Args>
[[noreturn]] void fail(const Args&... args) {
  SHARDOPT_THROW(ConfigError, one_line(c10::str(args...), kMaxMessageBytes));
}

}  // namespace shardopt::config
