/// What an exception says, fit for the middle of a message of ours.
#pragma once

#include <exception>
#include <string>

namespace shardopt::distributed {

/// The first line of `error`'s message, without a backtrace.
[[nodiscard]] std::string one_line(const std::exception& error);

}  // namespace shardopt::distributed
