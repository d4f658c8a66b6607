/// Collectives through LibTorch's c10d: Gloo on CPUs, NCCL on GPUs.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <c10/core/Device.h>
#include <c10/util/intrusive_ptr.h>

#include "shardopt/distributed/communicator.h"
#include "shardopt/distributed/group_context.h"

namespace c10d {
class Backend;
class ProcessGroup;
class Store;
}  // namespace c10d

namespace shardopt::distributed {

struct C10dOptions {
  int rank = 0;
  int size = 1;
  /// Where the tensors of all calls are. The index of a CUDA device, if it has one, is
  /// taken modulo their number and made the current one.
  c10::Device device = c10::kCPU;
  std::chrono::milliseconds timeout{std::chrono::minutes(5)};
};

/// Memory: until its wait has returned, a reduce_scatter takes buffers of at most 1.25
/// x max(bytes of the whole, 32 MiB), however uneven the cut, and an all_reduce of bf16
/// an fp32 copy; buffers are kept for the next call. Failures: as soon as the backend
/// notices, or the context's watch or limit, whichever is first; without a context an
/// absent or stopped peer is noticed after the backend's timeout.
///
/// On CUDA a wait returns at once: what follows on the current stream comes after the
/// collective. Its failure is noticed by a later call or wait. NCCL's own threads do
/// not end the process, whatever TORCH_NCCL_ASYNC_ERROR_HANDLING was.
///
/// Ignores SIGPIPE from then on, unless the process handles it: a peer that is gone is
/// an error. Blocks until all `options.size` ranks have joined under `name` in `store`.
/// Throws CommError if they have not within the timeout, ConfigError if the device is
/// CUDA and this build or machine has no NCCL.
[[nodiscard]] std::unique_ptr<Communicator> make_c10d_communicator(
    const c10::intrusive_ptr<::c10d::Store>& store, const std::string& name,
    const C10dOptions& options, GroupContext context = {});

/// Over a backend that the caller already has; ownership is shared.
[[nodiscard]] std::unique_ptr<Communicator> make_c10d_communicator(
    c10::intrusive_ptr<::c10d::Backend> backend, GroupContext context = {});

/// Over the backend that `group` has for `device`.
[[nodiscard]] std::unique_ptr<Communicator> make_c10d_communicator(
    const c10::intrusive_ptr<::c10d::ProcessGroup>& group,
    c10::Device device = c10::kCPU, GroupContext context = {});

}  // namespace shardopt::distributed
