/// Many pieces of tensors copied in one pass, with a cast.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace shardopt::distributed {

/// A run of entries to copy. Its memory is aligned for their dtypes.
struct PackRun {
  const void* source;  ///< Null: zeros.
  void* destination;
  int64_t numel;
};

/// Copies `runs` from memory of dtype `from` to memory of dtype `to`, rounding to the
/// nearest, ties to even. No destination overlaps another run. On a GPU it returns once
/// that is queued on the current stream. Throws c10::Error unless both dtypes are
/// fp32, bf16 or fp16.
using PackPieces = std::function<void(std::span<const PackRun> runs,
                                      at::ScalarType from, at::ScalarType to)>;

[[nodiscard]] PackPieces cpu_packing();

/// One launch for all runs; empty where `device` is no GPU, or this build or machine
/// has no kernel for it.
[[nodiscard]] PackPieces cuda_packing(c10::Device device);

/// One of LibTorch's copies per run: on any device, slow where runs are short.
[[nodiscard]] PackPieces copying_packing(c10::Device device);

/// The first of these that `device` has.
[[nodiscard]] PackPieces packing_for(c10::Device device);

/// Throws c10::Error unless packing takes `dtype`; `what` says whose it is.
void check_packable(const char* what, at::ScalarType dtype);

}  // namespace shardopt::distributed
