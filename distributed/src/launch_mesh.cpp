#include "shardopt/distributed/launch_mesh.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "connect_deadline.h"
#include "launch_store.h"
#include "shardopt/core/error.h"
#include "shardopt/distributed/c10d_communicator.h"
#include "shardopt/distributed/checked_communicator.h"
#include "shardopt/distributed/mpi_communicator.h"
#include "shardopt/distributed/peer_watch.h"
#include "shardopt/distributed/timeline.h"
#include "shardopt/distributed/wait_limit.h"

namespace shardopt::distributed {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLeastLookAfter{5000};
constexpr int kLooksPerTimeout = 10;

std::shared_ptr<PeerWatch> make_watch(const Meeting& meeting, milliseconds timeout,
                                      std::function<void(const std::string&)> on_late) {
  const Launch& launch = meeting.launch;
  PeerWatchOptions options;
  options.look_after = std::max(timeout / kLooksPerTimeout, kLeastLookAfter);
  options.on_late = std::move(on_late);
  options.interrupt_store = [port = launch.master_port] {
    shut_down_connections_to(port);
  };
  if (launch.agent_store) options.store_host = "torchrun's agent";
  return std::make_shared<PeerWatch>(connect_again(launch, *meeting.store, timeout),
                                     launch.rank, launch.size, std::move(options));
}

// Makes the groups of one mesh, in an order that is the same on every rank.
class GroupMaker {
 public:
  GroupMaker(const Meeting& meeting, const MeshShape& shape)
      : meeting_(meeting), shape_(shape) {}

  // `ranks` of the job, this one among them.
  [[nodiscard]] std::unique_ptr<Communicator> make(const std::string& group,
                                                   std::vector<int> ranks) const {
    if (ranks.size() == 1) return make_single_communicator();
    const int rank = meeting_.launch.rank;
    const auto own = std::ranges::find(ranks, rank) - ranks.begin();
    GroupContext context{.name = group,
                         .ranks = ranks,
                         .limit = meeting_.limit,
                         .watch = meeting_.watch,
                         .timeline = meeting_.timeline};
    std::unique_ptr<Communicator> made;
    if (shape_.backend == BackendKind::kMpi) {
      made = make_mpi_communicator({.ranks = std::move(ranks)}, std::move(context));
    } else {
      const C10dOptions options{.rank = static_cast<int>(own),
                                .size = static_cast<int>(ranks.size()),
                                .device = own_device(),
                                .timeout = meeting_.limit->timeout()};
      made = make_c10d_communicator(meeting_.store->store, group, options,
                                    std::move(context));
    }
    return shape_.check_calls ? make_checked_communicator(std::move(made), group)
                              : std::move(made);
  }

 private:
  // Ranks of a machine take its GPUs in turn.
  [[nodiscard]] c10::Device own_device() const {
    const bool is_chosen = !shape_.device.is_cuda() || shape_.device.has_index();
    if (is_chosen) return shape_.device;
    return {c10::kCUDA, static_cast<c10::DeviceIndex>(meeting_.launch.local_rank)};
  }

  const Meeting& meeting_;
  const MeshShape& shape_;
};

std::vector<int> every(int step, int first, int count) {
  std::vector<int> ranks;
  for (int i = 0; i < count; ++i) ranks.push_back(first + i * step);
  return ranks;
}

}  // namespace

Meeting meet(const Launch& launch, milliseconds timeout,
             std::function<void(const std::string&)> on_late) {
  Meeting meeting{.launch = launch,
                  .limit = std::make_shared<WaitLimit>(timeout),
                  .timeline = std::make_shared<Timeline>()};
  if (launch.size == 1) return meeting;
  meeting.store = std::make_shared<StoreHandle>(
      launch.meeting == MeetingKind::kMpi ? meet_through_mpi(meeting.launch, timeout)
                                          : meet_at_address(meeting.launch, timeout));
  meeting.watch = make_watch(meeting, timeout, std::move(on_late));
  return meeting;
}

MeshShape complete(MeshShape shape, int size) {
  const MeshShape given = shape;
  if (shape.shard == 0) shape.shard = size / std::max(shape.replicate, 1);
  if (shape.replicate == 0) shape.replicate = size / std::max(shape.shard, 1);
  const bool fits = (given.shard != 0 || given.replicate != 0) && shape.shard > 0 &&
                    shape.replicate > 0 && shape.shard * shape.replicate == size;
  if (fits) return shape;
  SHARDOPT_THROW(ConfigError, "mesh.shard is ", given.shard, " and mesh.replicate is ",
                 given.replicate, "; allowed: a product of ", size,
                 ", the number of ranks, where one of them may be 0 for the rest");
}

BackendKind resolve(BackendKind backend, c10::Device device) {
  const bool is_cuda = device.is_cuda();
  if (backend == BackendKind::kAuto) {
    return is_cuda ? BackendKind::kNccl : BackendKind::kGloo;
  }
  if ((backend == BackendKind::kNccl) == is_cuda) return backend;
  SHARDOPT_THROW(ConfigError, "mesh.backend is '", name(backend),
                 "', which cannot serve device ", device,
                 "; allowed: ", is_cuda ? "auto, nccl" : "auto, gloo, mpi");
}

std::string name(BackendKind backend) {
  static constexpr std::array kNames{"auto", "gloo", "nccl", "mpi"};
  return kNames.at(static_cast<std::size_t>(backend));
}

Mesh make_mesh(const Meeting& meeting, const MeshShape& wanted) {
  const auto& [size, rank] = std::pair(meeting.launch.size, meeting.launch.rank);
  MeshShape shape = complete(wanted, size);
  shape.backend = resolve(shape.backend, shape.device);
  if (size == 1) return make_single_mesh();
  if (shape.device.is_cuda() && shape.check_calls) {
    SHARDOPT_THROW(ConfigError, "mesh.check_calls is true on device ", shape.device,
                   "; allowed: cpu");
  }
  if (shape.backend == BackendKind::kMpi) {
    check_mpi_ranks(meeting.launch, "mesh.backend is 'mpi'", meeting.limit->timeout());
  }
  // Calls of the store have no end of their own.
  const ConnectDeadline deadline(meeting.launch.master_port,
                                 meeting.limit->timeout() + kStoreGrace);
  const int earlier = meeting.store->meshes++;
  const GroupMaker maker(meeting, shape);
  const int copy = rank / shape.shard;
  const int own = rank % shape.shard;
  const std::string prefix = earlier == 0 ? "" : c10::str("mesh", earlier + 1, "/");
  const std::string suffix = shape.replicate == 1 ? "" : c10::str("/", copy);
  const std::vector<int> shard = every(1, copy * shape.shard, shape.shard);
  MeshGroups groups;
  groups.shard = maker.make(prefix + "shard" + suffix, shard);
  groups.reduce = maker.make(prefix + "reduce" + suffix, shard);
  if (shape.replicate > 1) {
    groups.replicate = maker.make(c10::str(prefix, "replicate/", own),
                                  every(shape.shard, own, shape.replicate));
    groups.world = maker.make(prefix + "world", every(1, 0, size));
  }
  return Mesh(std::move(groups));
}

}  // namespace shardopt::distributed
