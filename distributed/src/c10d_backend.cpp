#include "c10d_backend.h"

#include <dlfcn.h>

#include <algorithm>
#include <vector>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "broken_pipe.h"
#include "library_function.h"
#include "nccl_backend.h"
#include "one_line.h"
#include "own_address.h"
#include "patience.h"
#include "quiet_log.h"
#include "shardopt/core/error.h"
#include "shardopt/distributed/wait_limit.h"

namespace shardopt::distributed {
namespace {

using BackendPtr = c10::intrusive_ptr<::c10d::Backend>;
using StorePtr = c10::intrusive_ptr<::c10d::Store>;

constexpr char kCountKey[] = "joined";
constexpr char kCompleteKey[] = "complete";

std::string join_key(int rank) { return c10::str("joined/", rank); }

// "rank 1, 2 did not join: "; "" if all have, or the store does not say.
std::string absent_ranks(::c10d::Store& store, int size) {
  std::vector<int> absent;
  try {
    for (int rank = 0; rank < size; ++rank) {
      if (!store.check({join_key(rank)})) absent.push_back(rank);
    }
  } catch (const std::exception&) {
    return "";  // The cause that is told beside this says more.
  }
  if (absent.empty()) return "";
  return c10::str("rank ", c10::Join(", ", absent), " did not join: ");
}

// One key that the last to come sets: waiting for it costs the store one request each.
bool is_complete(::c10d::Store& store, std::chrono::milliseconds limit) {
  try {
    store.wait({kCompleteKey}, std::max(limit, std::chrono::milliseconds(1)));
    return true;
  } catch (const std::exception&) {
    return store.check({kCompleteKey});  // Throws too if the store is gone.
  }
}

void wait_for_all(::c10d::Store& store, const std::string& name,
                  const C10dOptions& options, GroupContext context) {
  const QuietLog quiet;
  if (!context.limit) context.limit = std::make_shared<WaitLimit>(options.timeout);
  const std::string what =
      c10::str("group '", name, "' on rank ", options.rank, " of ", options.size);
  store.set(join_key(options.rank), "");
  if (store.add(kCountKey, 1) == options.size) store.set(kCompleteKey, "");
  const PeerCall join{.group = "joining " + name,
                      .ranks = context.ranks,
                      .sequence = 1,
                      .kind = "join",
                      .what = what};
  if (context.watch) context.watch->entered(join);
  try {
    wait_patiently(context, join,
                   [&](auto limit) { return is_complete(store, limit); });
  } catch (const std::exception& error) {
    SHARDOPT_THROW(CommError, what, ": ", absent_ranks(store, options.size),
                   one_line(error));
  }
}

BackendPtr make_gloo_backend(const StorePtr& store, const C10dOptions& options) {
  return c10::make_intrusive<::c10d::ProcessGroupGloo>(
      store, options.rank, options.size,
      ::c10d::ProcessGroupGloo::Options::create_default(options.timeout));
}

MakeNcclBackend* open_nccl(c10::Device device) {
  void* make = find_library_function(kNcclLibrary, kMakeNcclBackend);
  if (make == nullptr) {
    SHARDOPT_THROW(ConfigError, "device ", device, ": this build has no NCCL (",
                   dlerror(), ")");
  }
  return reinterpret_cast<MakeNcclBackend*>(make);
}

BackendPtr make_nccl_backend(MakeNcclBackend* make, const StorePtr& store,
                             const C10dOptions& options) {
  ::c10d::Backend* backend = make(store, options);
  if (backend == nullptr) {
    SHARDOPT_THROW(ConfigError, "device ", options.device, ": this machine has no GPU");
  }
  return BackendPtr::reclaim(backend);
}

}  // namespace

BackendPtr make_backend(const StorePtr& store, const std::string& name,
                        const C10dOptions& options, const GroupContext& context) {
  const auto group_store = c10::make_intrusive<::c10d::PrefixStore>(name, store);
  if (!options.device.is_cuda() && !options.device.is_cpu()) {
    SHARDOPT_THROW(ConfigError, "device ", options.device, "; allowed: cpu, cuda");
  }
  MakeNcclBackend* make_nccl =
      options.device.is_cuda() ? open_nccl(options.device) : nullptr;
  if (make_nccl == nullptr) check_interfaces();
  ignore_broken_pipes();
  try {
    wait_for_all(*group_store, name, options, context);
    return make_nccl == nullptr ? make_gloo_backend(group_store, options)
                                : make_nccl_backend(make_nccl, group_store, options);
  } catch (const CommError&) {
    throw;
  } catch (const ConfigError&) {
    throw;
  } catch (const std::exception& error) {
    SHARDOPT_THROW(CommError, "group '", name, "' on rank ", options.rank, " of ",
                   options.size, " cannot connect: ", one_line(error));
  }
}

}  // namespace shardopt::distributed
