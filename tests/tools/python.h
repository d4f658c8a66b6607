/// Runs the tests' Python.
#pragma once

#include <stdio.h>

#include <array>
#include <stdexcept>
#include <string>

namespace shardopt::test {

/// Standard output of `command` ("python script ..."). Throws if it cannot be run or
/// fails; its standard error goes where ours goes.
inline std::string output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen " + command);
  std::string output;
  std::array<char, 4096> buffer{};
  while (const std::size_t count = fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.append(buffer.data(), count);
  }
  if (pclose(pipe) != 0) throw std::runtime_error("failed: " + command);
  return output;
}

}  // namespace shardopt::test
