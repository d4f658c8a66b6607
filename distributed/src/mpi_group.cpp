#include "mpi_group.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace shardopt::distributed {
namespace {

constexpr int kTag = 0;  // Messages between two ranks are told apart by their order.

struct TypeInfo {
  MPI_Datatype type;
  int64_t bytes;
};

TypeInfo info(MpiType type) {
  switch (type) {
    case MpiType::kFloat:
      return {MPI_FLOAT, 4};
    case MpiType::kDouble:
      return {MPI_DOUBLE, 8};
    case MpiType::kInt32:
      return {MPI_INT32_T, 4};
    case MpiType::kInt64:
      return {MPI_INT64_T, 8};
  }
  throw std::logic_error("not a value of MpiType");
}

MPI_Op operation(MpiReduction op) {
  switch (op) {
    case MpiReduction::kSum:
      return MPI_SUM;
    case MpiReduction::kMin:
      return MPI_MIN;
    case MpiReduction::kMax:
      return MPI_MAX;
  }
  throw std::logic_error("not a value of MpiReduction");
}

std::string describe(const char* call, int status) {
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(status, text, &length);
  return std::string(call) + ": " + std::string(text, static_cast<size_t>(length));
}

class OwnComm {
 public:
  explicit OwnComm(MPI_Comm comm) : comm_(comm) {
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
  }
  ~OwnComm() {
    if (!is_kept_ && !is_mpi_finalized()) MPI_Comm_free(&comm_);
  }
  OwnComm(const OwnComm&) = delete;
  OwnComm& operator=(const OwnComm&) = delete;

  [[nodiscard]] MPI_Comm get() const noexcept { return comm_; }
  // It is never freed: messages may still come.
  void keep() noexcept { is_kept_ = true; }

 private:
  MPI_Comm comm_;
  std::atomic<bool> is_kept_ = false;
};

class Requests final : public MpiRequests {
 public:
  explicit Requests(std::shared_ptr<OwnComm> comm) : comm_(std::move(comm)) {}
  ~Requests() override {
    if (!pending_.empty()) comm_->keep();
  }

  // Starts one message by `post(communicator, request)`, unless one before has failed:
  // the ranks no longer agree then on which is which.
  template <typename Post>
  void add(const char* call, const Post& post) {
    if (!failure_.empty()) return;
    MPI_Request request = MPI_REQUEST_NULL;
    const int status = post(comm_->get(), &request);
    if (status != MPI_SUCCESS) {
      failure_ = describe(call, status);
    } else {
      pending_.push_back(request);
    }
  }

  bool test() override {
    if (pending_.empty()) return true;
    std::vector<int> indices(pending_.size());
    std::vector<MPI_Status> statuses(pending_.size());
    int count = 0;
    const int status = MPI_Testsome(static_cast<int>(pending_.size()), pending_.data(),
                                    &count, indices.data(), statuses.data());
    if (status == MPI_ERR_IN_STATUS) {
      for (int i = 0; i < count; ++i) note(statuses[i].MPI_ERROR);
    } else {
      note(status);
    }
    std::erase(pending_, MPI_REQUEST_NULL);
    return pending_.empty();
  }

  const std::string& failure() const noexcept override { return failure_; }

 private:
  void note(int status) {
    if (status != MPI_SUCCESS && failure_.empty()) {
      failure_ = describe("MPI_Testsome", status);
    }
  }

  std::shared_ptr<OwnComm> comm_;  // Shared with the group.
  std::vector<MPI_Request> pending_;
  std::string failure_;
};

class Group final : public MpiGroup {
 public:
  Group(MPI_Comm comm, int64_t chunk_bytes)
      : comm_(std::make_shared<OwnComm>(comm)), chunk_bytes_(chunk_bytes) {
    check_mpi("MPI_Comm_rank", MPI_Comm_rank(comm, &rank_));
    check_mpi("MPI_Comm_size", MPI_Comm_size(comm, &size_));
  }

  int rank() const noexcept override { return rank_; }
  int size() const noexcept override { return size_; }

  std::unique_ptr<MpiRequests> all_reduce(void* data, int64_t count, MpiType type,
                                          MpiReduction op) override {
    const TypeInfo element = info(type);
    const MPI_Op reduction = operation(op);
    auto requests = std::make_unique<Requests>(comm_);
    for_each_chunk(count, element.bytes, [&](int64_t begin, int chunk) {
      void* const part = static_cast<std::byte*>(data) + begin * element.bytes;
      requests->add("MPI_Iallreduce", [&](MPI_Comm comm, MPI_Request* request) {
        return MPI_Iallreduce(MPI_IN_PLACE, part, chunk, element.type, reduction, comm,
                              request);
      });
    });
    return requests;
  }

  std::unique_ptr<MpiRequests> broadcast(std::span<std::byte> data, int root) override {
    auto requests = std::make_unique<Requests>(comm_);
    for_each_chunk(static_cast<int64_t>(data.size()), 1, [&](int64_t begin, int chunk) {
      requests->add("MPI_Ibcast", [&](MPI_Comm comm, MPI_Request* request) {
        return MPI_Ibcast(data.data() + begin, chunk, MPI_BYTE, root, comm, request);
      });
    });
    return requests;
  }

  // Receives first, so that what arrives has its place. Ranks begin with different
  // peers.
  std::unique_ptr<MpiRequests> all_to_all(
      const std::byte* sent, std::span<const int64_t> sent_bytes, std::byte* received,
      std::span<const int64_t> received_bytes) override {
    const std::vector<int64_t> from = offsets(sent_bytes);
    const std::vector<int64_t> to = offsets(received_bytes);
    if (sent_bytes[rank_] > 0) {
      std::memcpy(received + to[rank_], sent + from[rank_],
                  static_cast<size_t>(sent_bytes[rank_]));
    }
    auto requests = std::make_unique<Requests>(comm_);
    for (int step = 1; step < size_; ++step) {
      const int peer = (rank_ - step + size_) % size_;
      receive(*requests, received + to[peer], received_bytes[peer], peer);
    }
    for (int step = 1; step < size_; ++step) {
      const int peer = (rank_ + step) % size_;
      send(*requests, sent + from[peer], sent_bytes[peer], peer);
    }
    return requests;
  }

  std::unique_ptr<MpiRequests> barrier() override {
    auto requests = std::make_unique<Requests>(comm_);
    requests->add("MPI_Ibarrier", MPI_Ibarrier);
    return requests;
  }

 private:
  // Calls `start(begin, elements)` for each message of `count` elements: of chunk_bytes
  // at most, yet one element at least.
  template <typename Start>
  void for_each_chunk(int64_t count, int64_t element_bytes, const Start& start) const {
    const int64_t most = std::max<int64_t>(1, chunk_bytes_ / element_bytes);
    for (int64_t begin = 0; begin < count; begin += most) {
      start(begin, static_cast<int>(std::min(most, count - begin)));
    }
  }

  void receive(Requests& requests, std::byte* data, int64_t bytes, int peer) const {
    for_each_chunk(bytes, 1, [&](int64_t begin, int chunk) {
      requests.add("MPI_Irecv", [&](MPI_Comm comm, MPI_Request* request) {
        return MPI_Irecv(data + begin, chunk, MPI_BYTE, peer, kTag, comm, request);
      });
    });
  }

  void send(Requests& requests, const std::byte* data, int64_t bytes, int peer) const {
    for_each_chunk(bytes, 1, [&](int64_t begin, int chunk) {
      requests.add("MPI_Isend", [&](MPI_Comm comm, MPI_Request* request) {
        return MPI_Isend(data + begin, chunk, MPI_BYTE, peer, kTag, comm, request);
      });
    });
  }

  static std::vector<int64_t> offsets(std::span<const int64_t> counts) {
    std::vector<int64_t> sums{0};
    for (const int64_t count : counts) sums.push_back(sums.back() + count);
    return sums;
  }

  std::shared_ptr<OwnComm> comm_;  // Shared with the requests.
  const int64_t chunk_bytes_;
  int rank_ = 0;
  int size_ = 0;
};

}  // namespace

void check_mpi(const char* call, int status) {
  if (status != MPI_SUCCESS) throw std::runtime_error(describe(call, status));
}

bool is_mpi_finalized() {
  int flag = 0;
  MPI_Finalized(&flag);
  return flag != 0;
}

std::unique_ptr<MpiGroup> make_group_of(MPI_Comm comm, int64_t chunk_bytes) {
  return std::make_unique<Group>(comm, chunk_bytes);
}

}  // namespace shardopt::distributed
