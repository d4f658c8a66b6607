// All of libshardopt_nccl.so.
#include "nccl_backend.h"

#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "shardopt/distributed/c10d_communicator.h"

extern "C" shardopt::distributed::MakeNcclBackend shardopt_make_nccl_backend;

::c10d::Backend* shardopt_make_nccl_backend(
    const c10::intrusive_ptr<::c10d::Store>& store,
    const shardopt::distributed::C10dOptions& options) {
  if (c10::cuda::device_count() == 0) return nullptr;
  auto nccl = ::c10d::ProcessGroupNCCL::Options::create();
  nccl->timeout = options.timeout;
  return c10::make_intrusive<::c10d::ProcessGroupNCCL>(store, options.rank,
                                                       options.size, std::move(nccl))
      .release();
}
