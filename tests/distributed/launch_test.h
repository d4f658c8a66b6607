/// What tests of read_launch share: a map in place of the environment.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "shardopt/core/error.h"
#include "shardopt/distributed/launch.h"

namespace shardopt::distributed::test {

using Variables = std::map<std::string, std::string>;

inline Environment environment_of(const Variables& variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    const auto it = variables.find(name);
    return it == variables.end() ? std::nullopt : std::optional(it->second);
  };
}

inline Variables with(Variables variables, const Variables& changes) {
  for (const auto& [name, value] : changes) variables[name] = value;
  return variables;
}

inline Variables without(Variables variables, const std::string& name) {
  variables.erase(name);
  return variables;
}

inline Launch launch_of(const Variables& variables, const LaunchFlags& flags = {}) {
  return read_launch(flags, environment_of(variables));
}

/// One way to say it wrongly, and what read_launch answers.
struct BadLaunch {
  const char* name;  // Of the case: letters and digits.
  LaunchFlags flags;
  Variables variables;
  std::string message;
};

inline void expect_refused(const BadLaunch& bad) {
  try {
    (void)launch_of(bad.variables, bad.flags);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.what_without_backtrace(), bad.message);
  }
}

/// "rank/size local_rank/local_size" of `launch`.
inline std::string ranks_of(const Launch& launch) {
  return c10::str(launch.rank, "/", launch.size, " ", launch.local_rank, "/",
                  launch.local_size);
}

/// "address:port", "mpi" or "none": how the ranks of `launch` meet.
inline std::string meeting_of(const Launch& launch) {
  if (launch.meeting == MeetingKind::kNone) return "none";
  if (launch.meeting == MeetingKind::kMpi) return "mpi";
  return c10::str(launch.master_address, ":", launch.master_port);
}

}  // namespace shardopt::distributed::test
