#include "shardopt/distributed/c10d_communicator.h"

#include <utility>

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "c10d_backend.h"
#include "c10d_transport.h"
#include "libtorch_version.h"

namespace shardopt::distributed {

std::unique_ptr<Communicator> make_c10d_communicator(
    const c10::intrusive_ptr<::c10d::Store>& store, const std::string& name,
    const C10dOptions& options, GroupContext context) {
  TORCH_CHECK(0 <= options.rank && options.rank < options.size, "group '", name,
              "' has no rank ", options.rank, " of ", options.size);
  check_libtorch_version();
  return make_c10d_communicator(make_backend(store, name, options, context),
                                std::move(context));
}

std::unique_ptr<Communicator> make_c10d_communicator(
    c10::intrusive_ptr<::c10d::Backend> backend, GroupContext context) {
  TORCH_CHECK(backend != nullptr, "a communicator needs a backend");
  check_libtorch_version();
  return make_transport_communicator(make_c10d_transport(std::move(backend)),
                                     std::move(context));
}

std::unique_ptr<Communicator> make_c10d_communicator(
    const c10::intrusive_ptr<::c10d::ProcessGroup>& group, c10::Device device,
    GroupContext context) {
  TORCH_CHECK(group != nullptr, "a communicator needs a process group");
  check_libtorch_version();
  return make_c10d_communicator(group->getBackend(device.type()), std::move(context));
}

}  // namespace shardopt::distributed
