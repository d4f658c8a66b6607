#include "shardopt/distributed/c10d_communicator.h"

#include <utility>

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "c10d_backend.h"
#include "c10d_transport.h"
#include "libtorch_version.h"

namespace shardopt::distributed {

namespace {

std::unique_ptr<Communicator> over(c10::intrusive_ptr<::c10d::Backend> backend,
                                   c10::Device device, GroupContext context) {
  return make_transport_communicator(make_c10d_transport(std::move(backend), device),
                                     std::move(context));
}

// An index beyond those of this machine is taken modulo their number.
c10::Device present(c10::Device device) {
  if (!device.is_cuda() || !device.has_index()) return device;
  const auto count = c10::impl::VirtualGuardImpl(c10::kCUDA).deviceCount();
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(device.index() % count)};
}

}  // namespace

std::unique_ptr<Communicator> make_c10d_communicator(
    const c10::intrusive_ptr<::c10d::Store>& store, const std::string& name,
    const C10dOptions& options, GroupContext context) {
  TORCH_CHECK(0 <= options.rank && options.rank < options.size, "group '", name,
              "' has no rank ", options.rank, " of ", options.size);
  check_libtorch_version();
  auto backend = make_backend(store, name, options, context);
  return over(std::move(backend), present(options.device), std::move(context));
}

std::unique_ptr<Communicator> make_c10d_communicator(
    c10::intrusive_ptr<::c10d::Backend> backend, GroupContext context) {
  TORCH_CHECK(backend != nullptr, "a communicator needs a backend");
  check_libtorch_version();
  const bool is_nccl = backend->getBackendName() == "nccl";
  return over(std::move(backend), is_nccl ? c10::kCUDA : c10::kCPU, std::move(context));
}

std::unique_ptr<Communicator> make_c10d_communicator(
    const c10::intrusive_ptr<::c10d::ProcessGroup>& group, c10::Device device,
    GroupContext context) {
  TORCH_CHECK(group != nullptr, "a communicator needs a process group");
  check_libtorch_version();
  return over(group->getBackend(device.type()), device, std::move(context));
}

}  // namespace shardopt::distributed
