#include "pack_pieces.h"

#include <cstddef>
#include <cstring>

#include <ATen/ops/from_blob.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Exception.h>
#include <c10/util/Half.h>

namespace shardopt::distributed {
namespace {

// Where LibTorch's copy, with its wider vectors and its threads, is worth its dispatch.
constexpr int64_t kLongCast = 4096;
constexpr int64_t kLongCopy = 32768;  // from where on it takes several threads

void copy_by_torch(const PackRun& run, at::ScalarType from, at::ScalarType to,
                   c10::Device device) {
  const auto view = [&](void* data, at::ScalarType dtype) {
    return at::from_blob(data, {run.numel}, at::TensorOptions(dtype).device(device));
  };
  at::Tensor destination = view(run.destination, to);
  if (run.source == nullptr) {
    destination.zero_();
  } else {
    destination.copy_(view(const_cast<void*>(run.source), from));
  }
}

template <typename From, typename To>
void cast(const PackRun& run) {
  const auto* source = static_cast<const From*>(run.source);
  auto* destination = static_cast<To*>(run.destination);
  for (int64_t i = 0; i < run.numel; ++i) {
    destination[i] = static_cast<To>(static_cast<float>(source[i]));
  }
}

template <typename From>
void cast_to(const PackRun& run, at::ScalarType to) {
  if (to == at::kFloat) return cast<From, float>(run);
  if (to == at::kBFloat16) return cast<From, c10::BFloat16>(run);
  cast<From, c10::Half>(run);
}

void pack_on_cpu(const PackRun& run, at::ScalarType from, at::ScalarType to) {
  const std::size_t bytes = static_cast<std::size_t>(run.numel) * c10::elementSize(to);
  const bool is_cast = from != to && run.source != nullptr;
  if (run.numel >= (is_cast ? kLongCast : kLongCopy)) {
    copy_by_torch(run, from, to, c10::kCPU);
  } else if (run.source == nullptr) {
    std::memset(run.destination, 0, bytes);
  } else if (!is_cast) {
    std::memcpy(run.destination, run.source, bytes);
  } else if (from == at::kFloat) {
    cast_to<float>(run, to);
  } else if (from == at::kBFloat16) {
    cast_to<c10::BFloat16>(run, to);
  } else {
    cast_to<c10::Half>(run, to);
  }
}

}  // namespace

void check_packable(const char* what, at::ScalarType dtype) {
  TORCH_CHECK(dtype == at::kFloat || dtype == at::kBFloat16 || dtype == at::kHalf, what,
              " is ", dtype, "; allowed: fp32, bf16, fp16");
}

PackPieces cpu_packing() {
  return [](std::span<const PackRun> runs, at::ScalarType from, at::ScalarType to) {
    check_packable("the source of a packing", from);
    check_packable("the destination of a packing", to);
    for (const PackRun& run : runs) {
      if (run.numel > 0) pack_on_cpu(run, from, to);
    }
  };
}

PackPieces copying_packing(c10::Device device) {
  return
      [device](std::span<const PackRun> runs, at::ScalarType from, at::ScalarType to) {
        check_packable("the source of a packing", from);
        check_packable("the destination of a packing", to);
        for (const PackRun& run : runs) {
          if (run.numel > 0) copy_by_torch(run, from, to, device);
        }
      };
}

PackPieces packing_for(c10::Device device) {
  if (device.is_cpu()) return cpu_packing();
  PackPieces kernel = cuda_packing(device);
  return kernel ? kernel : copying_packing(device);
}

}  // namespace shardopt::distributed
