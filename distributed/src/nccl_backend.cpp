// All of libshardopt_nccl.so.
#include "nccl_backend.h"

#include <cstdlib>

#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "shardopt/distributed/c10d_communicator.h"

extern "C" shardopt::distributed::MakeNcclBackend shardopt_make_nccl_backend;

namespace {

// On an error or a timeout NCCL's watchdog thread would end this process, as torchrun's
// agent tells every rank by TORCH_NCCL_ASYNC_ERROR_HANDLING=1. It only aborts the
// communicator instead: the calls that follow fail, and we say why.
void keep_process_alive() {
  constexpr int kReplace = 1;
  constexpr int kKeep = 0;
  setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "2", kReplace);  // CleanUpOnly
  setenv("TORCH_NCCL_ENABLE_MONITORING", "0", kKeep);
}

}  // namespace

::c10d::Backend* shardopt_make_nccl_backend(
    const c10::intrusive_ptr<::c10d::Store>& store,
    const shardopt::distributed::C10dOptions& options) {
  const int devices = c10::cuda::device_count();
  if (devices == 0) return nullptr;
  if (options.device.has_index()) {
    c10::cuda::set_device(
        static_cast<c10::DeviceIndex>(options.device.index() % devices));
  }
  keep_process_alive();
  auto nccl = ::c10d::ProcessGroupNCCL::Options::create();
  nccl->timeout = options.timeout;
  return c10::make_intrusive<::c10d::ProcessGroupNCCL>(store, options.rank,
                                                       options.size, std::move(nccl))
      .release();
}
