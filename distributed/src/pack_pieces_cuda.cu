// All of libshardopt_cuda.so.
#include "pack_pieces_cuda.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

namespace shardopt::distributed {
namespace {

constexpr int kThreads = 256;
constexpr int kLanes =
    4;  // entries that a thread moves at once, where memory is aligned

template <typename T>
struct alignas(sizeof(T) * kLanes) Lanes {
  T entry[kLanes];
};

__device__ float widen(float x) { return x; }
__device__ float widen(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ float widen(__half x) { return __half2float(x); }

template <typename T>
__device__ T narrow(float x);
template <>
__device__ float narrow<float>(float x) {
  return x;
}
template <>
__device__ __nv_bfloat16 narrow<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}
template <>
__device__ __half narrow<__half>(float x) {
  return __float2half_rn(x);
}

template <typename T>
__device__ bool is_aligned(const void* memory) {
  return reinterpret_cast<uintptr_t>(memory) % sizeof(Lanes<T>) == 0;
}

template <typename From, typename To>
__device__ void cast_scalar(const From* source, To* destination, int64_t begin,
                            int64_t end) {
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    destination[i] = narrow<To>(source == nullptr ? 0.0F : widen(source[i]));
  }
}

template <typename From, typename To>
__device__ void cast_lanes(const From* source, To* destination, int64_t begin,
                           int64_t end) {
  for (int64_t i = begin + threadIdx.x * kLanes; i < end; i += kThreads * kLanes) {
    const auto in = *reinterpret_cast<const Lanes<From>*>(source + i);
    Lanes<To> out;
    for (int lane = 0; lane < kLanes; ++lane) {
      out.entry[lane] = narrow<To>(widen(in.entry[lane]));
    }
    *reinterpret_cast<Lanes<To>*>(destination + i) = out;
  }
}

// The last run that begins at or before `block`.
__device__ KernelRun find_run(const KernelRun* runs, int64_t count, int64_t block) {
  int64_t low = 0;
  int64_t high = count - 1;
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (runs[middle].first_block <= block) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return runs[low];
}

template <typename From, typename To>
__global__ void __launch_bounds__(kThreads) pack(const KernelRun* runs, int64_t count) {
  const KernelRun run = find_run(runs, count, blockIdx.x);
  const auto* source = static_cast<const From*>(run.source);
  auto* destination = static_cast<To*>(run.destination);
  const int64_t begin = (blockIdx.x - run.first_block) * kBlockEntries;
  const int64_t end = min(begin + kBlockEntries, run.numel);
  const bool has_lanes =
      source != nullptr && is_aligned<From>(source) && is_aligned<To>(destination);
  const int64_t lanes_end = has_lanes ? end - (end - begin) % kLanes : begin;
  cast_lanes(source, destination, begin, lanes_end);
  cast_scalar(source, destination, lanes_end, end);
}

struct Launch {
  const KernelRun* runs;
  int64_t count;
  int64_t blocks;
  cudaStream_t stream;
};

template <typename From, typename To>
void launch(const Launch& what) {
  pack<From, To><<<static_cast<unsigned>(what.blocks), kThreads, 0, what.stream>>>(
      what.runs, what.count);
}

template <typename From>
void launch_from(const Launch& what, PackType to) {
  if (to == PackType::kFloat) return launch<From, float>(what);
  if (to == PackType::kBFloat16) return launch<From, __nv_bfloat16>(what);
  launch<From, __half>(what);
}

}  // namespace
}  // namespace shardopt::distributed

extern "C" shardopt::distributed::LaunchPacking shardopt_launch_packing;

const char* shardopt_launch_packing(const shardopt::distributed::KernelRun* runs,
                                    int64_t count, int64_t blocks,
                                    shardopt::distributed::PackType from,
                                    shardopt::distributed::PackType to, void* stream) {
  using namespace shardopt::distributed;
  const Launch what{runs, count, blocks, static_cast<cudaStream_t>(stream)};
  if (from == PackType::kFloat) {
    launch_from<float>(what, to);
  } else if (from == PackType::kBFloat16) {
    launch_from<__nv_bfloat16>(what, to);
  } else {
    launch_from<__half>(what, to);
  }
  const cudaError_t status = cudaGetLastError();
  return status == cudaSuccess ? nullptr : cudaGetErrorString(status);
}
