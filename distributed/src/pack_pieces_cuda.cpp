#include "pack_pieces_cuda.h"

#include <vector>

#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include "library_function.h"
#include "pack_pieces.h"

namespace shardopt::distributed {
namespace {

PackType pack_type(at::ScalarType dtype) {
  check_packable("an end of a packing", dtype);
  if (dtype == at::kFloat) return PackType::kFloat;
  return dtype == at::kBFloat16 ? PackType::kBFloat16 : PackType::kHalf;
}

LaunchPacking* open_kernel() {
  return reinterpret_cast<LaunchPacking*>(
      find_library_function(kPackLibrary, kLaunchPacking));
}

struct RunList {
  at::Tensor runs;  // bytes of KernelRun, in pinned memory
  int64_t count = 0;
  int64_t blocks = 0;
};

RunList make_list(std::span<const PackRun> runs) {
  const auto bytes = static_cast<int64_t>(runs.size() * sizeof(KernelRun));
  RunList list{at::empty({bytes}, at::TensorOptions(at::kByte).pinned_memory(true))};
  auto* entries = static_cast<KernelRun*>(list.runs.mutable_data_ptr());
  for (const PackRun& run : runs) {
    if (run.numel == 0) continue;
    entries[list.count++] = {run.source, run.destination, run.numel, list.blocks};
    list.blocks += (run.numel + kBlockEntries - 1) / kBlockEntries;
  }
  return list;
}

}  // namespace

// LibTorch's allocators keep the list until the stream has read it.
PackPieces cuda_packing(c10::Device device) {
  LaunchPacking* const launch = device.is_cuda() ? open_kernel() : nullptr;
  if (launch == nullptr) return {};
  return [device, launch](std::span<const PackRun> runs, at::ScalarType from,
                          at::ScalarType to) {
    const PackType from_type = pack_type(from);
    const PackType to_type = pack_type(to);
    const c10::InferenceMode normal(false);
    const RunList list = make_list(runs);
    if (list.count == 0) return;
    const c10::DeviceGuard guard(device);
    const at::Tensor on_device = list.runs.to(device, at::kByte, /*non_blocking=*/true);
    const c10::Stream stream =
        c10::impl::VirtualGuardImpl(device.type()).getStream(device);
    const char* const failure =
        launch(static_cast<const KernelRun*>(on_device.const_data_ptr()), list.count,
               list.blocks, from_type, to_type, stream.native_handle());
    TORCH_CHECK(failure == nullptr, "packing ", list.count, " pieces on ", device,
                " failed: ", failure);
  };
}

}  // namespace shardopt::distributed
