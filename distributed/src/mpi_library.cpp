// Entry to libshardopt_mpi.so.
#include "mpi_library.h"

#include <mpi.h>

#include <algorithm>
#include <stdexcept>

#include "mpi_group.h"

extern "C" shardopt::distributed::GetMpiLibrary shardopt_get_mpi_library;

namespace shardopt::distributed {
namespace {

constexpr int64_t kWorldChunkBytes = int64_t{1} << 30;

std::string level_name(int level) {
  if (level == MPI_THREAD_SINGLE) return "MPI_THREAD_SINGLE";
  if (level == MPI_THREAD_FUNNELED) return "MPI_THREAD_FUNNELED";
  return "MPI_THREAD_SERIALIZED";
}

class Library final : public MpiLibrary {
 public:
  void initialize() override {
    if (is_mpi_finalized()) throw std::runtime_error("MPI has been finalized");
    int is_initialized = 0;
    int level = MPI_THREAD_SINGLE;
    check_mpi("MPI_Initialized", MPI_Initialized(&is_initialized));
    if (is_initialized != 0) {
      check_mpi("MPI_Query_thread", MPI_Query_thread(&level));
    } else {
      check_mpi("MPI_Init_thread",
                MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &level));
      is_ours_ = true;
      // Where errors of collectives go that are found while they are tested.
      MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    }
    if (level != MPI_THREAD_MULTIPLE) {
      throw std::runtime_error("MPI was initialized with " + level_name(level) +
                               "; needed: MPI_THREAD_MULTIPLE");
    }
    check_mpi("MPI_Comm_dup", MPI_Comm_dup(MPI_COMM_WORLD, &comm_));
    world_ = make_group_of(comm_, kWorldChunkBytes);
  }

  MpiGroup& world() override { return *world_; }

  // The groups part the world between them: the least rank of each tells them apart.
  std::unique_ptr<MpiGroup> make_group(std::span<const int> ranks,
                                       int64_t chunk_bytes) override {
    const int color = *std::ranges::min_element(ranks);
    const auto own = std::ranges::find(ranks, world_->rank());
    const int key = static_cast<int>(own - ranks.begin());
    MPI_Comm part = MPI_COMM_NULL;
    check_mpi("MPI_Comm_split", MPI_Comm_split(comm_, color, key, &part));
    auto group = make_group_of(part, chunk_bytes);
    if (group->size() != static_cast<int>(ranks.size())) {
      throw std::runtime_error("this rank gave " + std::to_string(ranks.size()) +
                               " ranks, of whom " + std::to_string(group->size()) +
                               " gave that group");
    }
    return group;
  }

  bool must_finalize() const override { return is_ours_ && !is_mpi_finalized(); }

  void finalize() override {
    world_.reset();
    check_mpi("MPI_Finalize", MPI_Finalize());
  }

  void abort(int exit_code) override { MPI_Abort(MPI_COMM_WORLD, exit_code); }

 private:
  bool is_ours_ = false;           // To finalize.
  MPI_Comm comm_ = MPI_COMM_NULL;  // Of `world_`.
  std::unique_ptr<MpiGroup> world_;
};

}  // namespace
}  // namespace shardopt::distributed

shardopt::distributed::MpiLibrary& shardopt_get_mpi_library() {
  // Never destroyed: when the process ends, a thread may still hang in a call of MPI.
  static auto* const library =
      std::make_unique<shardopt::distributed::Library>().release();
  return *library;
}
