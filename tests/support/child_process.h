/// Processes that a test starts, and waits for.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace shardopt::test {

/// "--gtest_filter=..." for the test that is running.
[[nodiscard]] std::string current_test_filter();

/// Starts `program` in the environment of the caller with `settings` ("NAME=value") on
/// top. What it prints goes to `log`. `arguments` begin with the program's own name.
[[nodiscard]] pid_t start_process(const std::filesystem::path& program,
                                  std::vector<std::string> arguments,
                                  std::vector<std::string> settings,
                                  const std::filesystem::path& log);

/// Reaps `pid`, killing it first if `deadline` passes: "exit code 0", "signal 9",
/// "timeout".
[[nodiscard]] std::string wait_for_exit(pid_t pid,
                                        std::chrono::steady_clock::time_point deadline);

[[nodiscard]] std::string read_file(const std::filesystem::path& path);

}  // namespace shardopt::test
