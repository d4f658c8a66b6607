/// The seam to MPI: a library that is opened by name, so that programs load MPI only
/// when they ask for it. It knows neither LibTorch nor anything of ours but this file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace shardopt::distributed {

enum class MpiType : uint8_t { kFloat, kDouble, kInt32, kInt64 };
enum class MpiReduction : uint8_t { kSum, kMin, kMax };

/// Messages under way, of one call. Whoever holds it keeps their memory alive until
/// `test` has returned true.
///
/// Thread safety: none of its own; may be tested beside every other call of this file.
class MpiRequests {
 public:
  MpiRequests() = default;
  MpiRequests(const MpiRequests&) = delete;
  MpiRequests& operator=(const MpiRequests&) = delete;
  virtual ~MpiRequests() = default;

  /// Lets MPI go on with whatever is under way, and returns whether none of these is
  /// any more. Does not wait. Nothing goes on but in calls of MPI.
  [[nodiscard]] virtual bool test() = 0;

  /// Why some will never arrive; "" unless a call or a test has found that out. The
  /// others may still be under way.
  [[nodiscard]] virtual const std::string& failure() const noexcept = 0;
};

/// A communicator of MPI. Its calls return at once; every rank makes the same ones in
/// the same order. Messages are cut into pieces of the group's `chunk_bytes`, so any
/// count will do. It may go before its requests are over.
///
/// Thread safety: one call at a time, from any thread.
class MpiGroup {
 public:
  MpiGroup() = default;
  MpiGroup(const MpiGroup&) = delete;
  MpiGroup& operator=(const MpiGroup&) = delete;
  virtual ~MpiGroup() = default;

  [[nodiscard]] virtual int rank() const noexcept = 0;
  [[nodiscard]] virtual int size() const noexcept = 0;

  /// In place, `count` elements.
  [[nodiscard]] virtual std::unique_ptr<MpiRequests> all_reduce(void* data,
                                                                int64_t count,
                                                                MpiType type,
                                                                MpiReduction op) = 0;
  [[nodiscard]] virtual std::unique_ptr<MpiRequests> broadcast(
      std::span<std::byte> data, int root) = 0;
  /// One count per rank each, of what lies there in rank order.
  [[nodiscard]] virtual std::unique_ptr<MpiRequests> all_to_all(
      const std::byte* sent, std::span<const int64_t> sent_bytes, std::byte* received,
      std::span<const int64_t> received_bytes) = 0;
  [[nodiscard]] virtual std::unique_ptr<MpiRequests> barrier() = 0;
};

/// MPI itself. `initialize`, `make_group` and `finalize` wait for all ranks, however
/// long they take, and are called on one thread. All throw std::runtime_error with what
/// MPI says.
class MpiLibrary {
 public:
  MpiLibrary() = default;
  MpiLibrary(const MpiLibrary&) = delete;
  MpiLibrary& operator=(const MpiLibrary&) = delete;
  virtual ~MpiLibrary() = default;

  /// Initializes MPI for all threads, unless the process has done so. Throws if MPI
  /// does not give MPI_THREAD_MULTIPLE.
  virtual void initialize() = 0;

  /// All ranks; a communicator of our own.
  [[nodiscard]] virtual MpiGroup& world() = 0;

  /// `ranks` of the world, this one among them, in this order. All ranks of the world
  /// call it together, each for its own group.
  [[nodiscard]] virtual std::unique_ptr<MpiGroup> make_group(std::span<const int> ranks,
                                                             int64_t chunk_bytes) = 0;

  /// Whether `initialize` did initialize MPI, and nobody has finalized it since.
  [[nodiscard]] virtual bool must_finalize() const = 0;
  virtual void finalize() = 0;

  /// Ends every process of the job, this one included: does not return.
  virtual void abort(int exit_code) = 0;
};

inline constexpr char kMpiLibrary[] = "libshardopt_mpi.so";
inline constexpr char kGetMpiLibrary[] = "shardopt_get_mpi_library";

/// Type of the function of that name. What it returns lives as long as the process.
using GetMpiLibrary = MpiLibrary&();

}  // namespace shardopt::distributed
