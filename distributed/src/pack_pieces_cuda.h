/// The seam to the kernel that packs on GPUs: the one function of a library that is
/// opened by name, compiled by nvcc where there is one. Plain C++17, no LibTorch:
/// nvcc's version need not be that of LibTorch's CUDA.
#pragma once

#include <cstdint>

namespace shardopt::distributed {

inline constexpr char kPackLibrary[] = "libshardopt_cuda.so";
inline constexpr char kLaunchPacking[] = "shardopt_launch_packing";

/// Entries that a block of threads copies.
inline constexpr int64_t kBlockEntries = 4096;

enum class PackType : int32_t { kFloat, kBFloat16, kHalf };

/// A run as the kernel reads it: blocks from `first_block` on copy it, as many as its
/// entries need, and there is at least one.
struct KernelRun {
  const void* source;  ///< Null: zeros.
  void* destination;
  int64_t numel;
  int64_t first_block;
};

/// Type of the function of that name: queues one launch on `stream`, a cudaStream_t of
/// the current device. `runs` are in that device's memory, by first_block, and need
/// `blocks` together. Returns null, or why it could not.
using LaunchPacking = const char*(const KernelRun* runs, int64_t count, int64_t blocks,
                                  PackType from, PackType to, void* stream);

}  // namespace shardopt::distributed
