#include "mpi_job.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <span>
#include <thread>

#include <c10/util/Exception.h>
#include <c10/util/StringUtil.h>

#include "library_function.h"
#include "one_line.h"
#include "patience.h"
#include "shardopt/core/error.h"
#include "shardopt/distributed/wait_limit.h"

namespace shardopt::distributed {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr int64_t kMostChunkBytes = int64_t{1} << 30;
constexpr milliseconds kJoinTimeout = std::chrono::minutes(5);
constexpr milliseconds kGrace{1000};  // For calls under way at the end.
constexpr milliseconds kSlice{50};    // Between two looks at a limit.

// MPI, from its first use to the end of the process.
class MpiProcess {
 public:
  explicit MpiProcess(milliseconds timeout)
      : library(open_mpi_library()),
        limit_(std::make_shared<const WaitLimit>(timeout)) {
    std::future<void> done = progress.run([&mpi = library] { mpi.initialize(); });
    if (done.wait_for(timeout) != std::future_status::ready) {
      SHARDOPT_THROW(CommError, "MPI: not all ranks have come within ", timeout.count(),
                     " ms");
    }
    try {
      done.get();
    } catch (const std::exception& error) {
      SHARDOPT_THROW(ConfigError, "MPI cannot start: ", error.what());
    }
    current = this;
  }

  // MPI wants to be finalized by all ranks together. One that has failed ends without:
  // mpirun then ends the others.
  ~MpiProcess() {
    current = nullptr;
    if (is_finalize_skipped || !library.must_finalize() || !becomes_idle()) return;
    try {
      const auto everybody = progress.advance(library.world().barrier(), nullptr);
      if (!wait([&] { return everybody->wait_for(kSlice); })) return;
      const std::future<void> done = progress.run([&mpi = library] { mpi.finalize(); });
      (void)wait([&] { return done.wait_for(kSlice) == std::future_status::ready; });
    } catch (const std::exception&) {
      // Nobody is left to be told.
    }
  }
  MpiProcess(const MpiProcess&) = delete;
  MpiProcess& operator=(const MpiProcess&) = delete;

  // Of the groups, whose job has one.
  void set_limit(std::shared_ptr<const WaitLimit> limit) {
    const std::lock_guard lock(mutex_);
    limit_ = std::move(limit);
  }

  MpiLibrary& library;
  MpiProgress progress;
  std::atomic<bool> is_finalize_skipped = false;

  static std::atomic<MpiProcess*> current;

 private:
  bool becomes_idle() {
    const Clock::time_point start = Clock::now();
    while (!progress.is_idle()) {
      if (Clock::now() - start > kGrace) return false;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return true;
  }

  template <typename Poll>
  bool wait(const Poll& poll) {
    const Clock::time_point start = Clock::now();
    std::unique_lock lock(mutex_);
    const auto limit = limit_;
    lock.unlock();
    while (!poll()) {
      if (Clock::now() > limit->deadline(start)) return false;
    }
    return true;
  }

  std::mutex mutex_;
  std::shared_ptr<const WaitLimit> limit_;  // by mutex_; shared by the groups
};

std::atomic<MpiProcess*> MpiProcess::current = nullptr;

// Made after MPI's own preparations for the end of the process, so it ends before them.
MpiProcess& process(milliseconds timeout) {
  static MpiProcess process(timeout);
  return process;
}

MpiProcess& current_process() {
  MpiProcess* const current = MpiProcess::current;
  TORCH_CHECK(current != nullptr, "MPI is not in use");
  return *current;
}

std::vector<int> world_ranks(int size) {
  std::vector<int> ranks(size);
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

// Which of `options.ranks` form the group, in MPI's world.
std::vector<int> checked_ranks(const MpiOptions& options, const MpiGroup& world) {
  if (options.ranks.empty()) return world_ranks(world.size());
  std::vector<int> sorted = options.ranks;
  std::ranges::sort(sorted);
  TORCH_CHECK(sorted.front() >= 0 && sorted.back() < world.size(),
              "MpiOptions.ranks are [", c10::Join(", ", options.ranks),
              "]; allowed: 0 to ", world.size() - 1);
  TORCH_CHECK(std::ranges::adjacent_find(sorted) == sorted.end(),
              "MpiOptions.ranks are [", c10::Join(", ", options.ranks),
              "]; allowed: each rank once");
  TORCH_CHECK(std::ranges::binary_search(sorted, world.rank()),
              "MpiOptions.ranks are [", c10::Join(", ", options.ranks), "] on rank ",
              world.rank(), "; allowed: groups that this rank is in");
  return options.ranks;
}

// All ranks of the world make their groups at once, and each has to wait for all.
PeerCall call_of(const GroupContext& context, const MpiGroup& world) {
  const std::string what = c10::str("group '", context.name, "' on rank ", world.rank(),
                                    " of ", world.size());
  // A name that the ranks of other groups, made at the same time, use too.
  return {.group = "making groups",
          .ranks = world_ranks(world.size()),
          .sequence = 1,
          .kind = "join",
          .what = what};
}

// First they meet without blocking, so that a rank that never comes leaves the thread
// free; making the group then takes an instant.
std::unique_ptr<MpiGroup> make_together(MpiProcess& mpi, const std::vector<int>& ranks,
                                        int64_t chunk_bytes,
                                        const GroupContext& context,
                                        const PeerCall& call) {
  if (context.watch) context.watch->entered(call);
  const auto everybody = mpi.progress.advance(mpi.library.world().barrier(), nullptr);
  wait_patiently(context, call,
                 [&](milliseconds limit) { return everybody->wait_for(limit); });
  const auto group = std::make_shared<std::unique_ptr<MpiGroup>>();
  std::future<void> made =
      mpi.progress.run([&library = mpi.library, ranks, chunk_bytes, group] {
        *group = library.make_group(ranks, chunk_bytes);
      });
  wait_patiently(context, call, [&](milliseconds limit) {
    return made.wait_for(limit) == std::future_status::ready;
  });
  made.get();
  return std::move(*group);
}

}  // namespace

MpiLibrary& open_mpi_library(const char* name) {
  // Global: MPI's plugins look for its symbols.
  void* const get = find_library_function(name, kGetMpiLibrary, SymbolScope::kGlobal);
  if (get == nullptr) {
    SHARDOPT_THROW(ConfigError, "this build has no MPI (", dlerror(),
                   "); install libopenmpi-dev and configure again");
  }
  return reinterpret_cast<GetMpiLibrary*>(get)();
}

MpiJob join_mpi(milliseconds timeout) {
  const MpiGroup& world = process(timeout).library.world();
  return {world.rank(), world.size()};
}

MpiProgress& mpi_progress() { return current_process().progress; }

std::string broadcast_text(const std::string& text_of_rank_0, milliseconds timeout) {
  using Buffer = std::array<char, kMostTextBytes + 1>;
  TORCH_CHECK(text_of_rank_0.size() <= kMostTextBytes, "a text of ",
              text_of_rank_0.size(), " bytes; allowed: ", kMostTextBytes, " at most");
  MpiProcess& mpi = process(timeout);
  MpiGroup& world = mpi.library.world();
  const auto buffer = std::make_shared<Buffer>(Buffer{});
  if (world.rank() == 0) std::ranges::copy(text_of_rank_0, buffer->begin());
  const auto call = mpi.progress.advance(
      world.broadcast(std::as_writable_bytes(std::span(*buffer)), 0), buffer);
  if (!call->wait_for(timeout)) {
    SHARDOPT_THROW(CommError, "MPI on rank ", world.rank(), " of ", world.size(),
                   ": the text of rank 0 did not come within ", timeout.count(), " ms");
  }
  return buffer->data();
}

std::unique_ptr<MpiGroup> make_mpi_group(const MpiOptions& options,
                                         const GroupContext& context) {
  TORCH_CHECK(1 <= options.chunk_bytes && options.chunk_bytes <= kMostChunkBytes,
              "MpiOptions.chunk_bytes is ", options.chunk_bytes, "; allowed: 1 to ",
              kMostChunkBytes);
  MpiProcess& mpi = process(context.limit ? context.limit->timeout() : kJoinTimeout);
  if (context.limit) mpi.set_limit(context.limit);
  const MpiGroup& world = mpi.library.world();
  const std::vector<int> ranks = checked_ranks(options, world);
  const PeerCall call = call_of(context, world);
  try {
    return make_together(mpi, ranks, options.chunk_bytes, context, call);
  } catch (const std::exception& error) {
    SHARDOPT_THROW(CommError, call.what, " cannot be made: ",
                   with_missing_ranks(context, call, one_line(error)));
  }
}

void skip_mpi_finalize() noexcept {
  MpiProcess* const current = MpiProcess::current;
  if (current != nullptr) current->is_finalize_skipped = true;
}

void abort_mpi(int exit_code) {
  current_process().library.abort(exit_code);
  std::abort();  // Not reached.
}

}  // namespace shardopt::distributed
