/// What a fuzz target shares with the programs that run it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

/// libFuzzer's entry: runs the code under test on `bytes` bytes. Aborts, or is caught
/// by a sanitizer, if that code breaks a promise; refusing the input is none. Returns
/// 0.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t bytes);

namespace shardopt::fuzz {

/// Inputs that were found sound so far; each target has its own.
extern int64_t accepted;

inline void require(bool condition, const char* promise) {
  if (condition) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

}  // namespace shardopt::fuzz
