/// From what the launcher said to the ranks of the job.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <c10/core/Device.h>

#include "shardopt/distributed/backend_kind.h"
#include "shardopt/distributed/launch.h"
#include "shardopt/distributed/mesh.h"

namespace shardopt::distributed {

class PeerWatch;
struct StoreHandle;
class Timeline;
class WaitLimit;

/// The ranks of a launch, met: what its groups share. Outlives them.
struct Meeting {
  Launch launch{};  ///< As the ranks have met: restarts are known to rank 0 at least.
  std::shared_ptr<StoreHandle> store{};  // Shared by copies; null with one rank.
  std::shared_ptr<WaitLimit> limit{};    // Shared with the groups, as are
  std::shared_ptr<PeerWatch> watch{};    // the watch (null with one rank) and
  std::shared_ptr<Timeline> timeline{};  // the timeline.
};

/// Joins the other ranks of `launch`; with one rank nothing is opened. `timeout` bounds
/// this and every later wait. `on_late` is told, on a thread of its own, of waits that
/// have lasted long (a tenth of the timeout, at least 5 s) and for whom.
///
/// Throws as make_store does. Collective.
[[nodiscard]] Meeting meet(const Launch& launch, std::chrono::milliseconds timeout,
                           std::function<void(const std::string&)> on_late = {});

struct MeshShape {
  int shard = 0;  ///< Ranks that hold one copy of the model; 0: what the rest leaves.
  int replicate = 1;               ///< Copies; 0: as many as there are ranks for.
  c10::Device device = c10::kCPU;  ///< Where the tensors of its collectives are.
  BackendKind backend = BackendKind::kAuto;
  bool check_calls = false;  ///< See make_checked_communicator.
};

/// `shard` and `replicate` for `size` ranks, zeros filled in. Throws ConfigError,
/// naming mesh.shard and mesh.replicate, if they do not make `size`.
[[nodiscard]] MeshShape complete(MeshShape shape, int size);

/// What kAuto means for `device`. Throws ConfigError, naming mesh.backend, if a backend
/// cannot serve the device.
[[nodiscard]] BackendKind resolve(BackendKind backend, c10::Device device);

/// "gloo", "nccl", "mpi" or "auto".
[[nodiscard]] std::string name(BackendKind backend);

/// May be called again for another mesh. Throws as `complete`, `resolve`,
/// make_c10d_communicator and make_mpi_communicator do. Collective.
[[nodiscard]] Mesh make_mesh(const Meeting& meeting, const MeshShape& shape);

}  // namespace shardopt::distributed
