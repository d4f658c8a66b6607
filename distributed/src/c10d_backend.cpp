#include "c10d_backend.h"

#include <dlfcn.h>

#include <vector>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "nccl_backend.h"
#include "one_line.h"
#include "shardopt/core/error.h"

namespace shardopt::distributed {
namespace {

using BackendPtr = c10::intrusive_ptr<::c10d::Backend>;
using StorePtr = c10::intrusive_ptr<::c10d::Store>;

std::string join_key(int rank) { return c10::str("joined/", rank); }

std::string absent_ranks(::c10d::Store& store, int size) {
  std::vector<int> absent;
  for (int rank = 0; rank < size; ++rank) {
    if (!store.check({join_key(rank)})) absent.push_back(rank);
  }
  return c10::Join(", ", absent);
}

void wait_for_all(::c10d::Store& store, const std::string& name,
                  const C10dOptions& options) {
  std::vector<std::string> keys;
  for (int rank = 0; rank < options.size; ++rank) keys.push_back(join_key(rank));
  store.set(join_key(options.rank), "");
  try {
    store.wait(keys, options.timeout);
  } catch (const std::exception& error) {
    SHARDOPT_THROW(CommError, "group '", name, "' on rank ", options.rank, " of ",
                   options.size, ": rank ", absent_ranks(store, options.size),
                   " did not join within ", options.timeout.count(), " ms");
  }
}

BackendPtr make_gloo_backend(const StorePtr& store, const C10dOptions& options) {
  return c10::make_intrusive<::c10d::ProcessGroupGloo>(
      store, options.rank, options.size,
      ::c10d::ProcessGroupGloo::Options::create_default(options.timeout));
}

// The library stays open: its code lives as long as any backend made by it.
MakeNcclBackend* open_nccl(c10::Device device) {
  void* library = dlopen(kNcclLibrary, RTLD_NOW | RTLD_LOCAL);
  void* make = library == nullptr ? nullptr : dlsym(library, kMakeNcclBackend);
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
                        const C10dOptions& options) {
  const auto group_store = c10::make_intrusive<::c10d::PrefixStore>(name, store);
  if (options.device.is_cuda()) {
    return make_nccl_backend(open_nccl(options.device), group_store, options);
  }
  if (!options.device.is_cpu()) {
    SHARDOPT_THROW(ConfigError, "device ", options.device, "; allowed: cpu, cuda");
  }
  try {
    wait_for_all(*group_store, name, options);
    return make_gloo_backend(group_store, options);
  } catch (const CommError&) {
    throw;
  } catch (const std::exception& error) {
    SHARDOPT_THROW(CommError, "group '", name, "' on rank ", options.rank, " of ",
                   options.size, " cannot connect: ", one_line(error));
  }
}

}  // namespace shardopt::distributed
