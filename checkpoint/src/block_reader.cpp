#include "block_reader.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/Device.h>
#include <c10/core/MemoryFormat.h>

#include "read_plan.h"
#include "safetensors_dtypes.h"

namespace shardopt::checkpoint {
namespace {

constexpr int64_t kMostSerialElements = int64_t{1} << 15;

// A target in contiguous memory: its own, or a copy that goes back at the end.
struct Landing {
  const Target* target;
  at::Tensor rows;
  at::ScalarType saved_dtype;
  bool is_plain;  // CPU memory of the saved dtype.
};

Landing make_landing(const Target& target) {
  at::Tensor rows = target.rows;
  if (!rows.is_contiguous()) rows = at::empty_like(rows, at::MemoryFormat::Contiguous);
  const at::ScalarType saved = dtype_named(target.stored->dtype).value();
  return {.target = &target,
          .rows = rows,
          .saved_dtype = saved,
          .is_plain = rows.device().is_cpu() && rows.scalar_type() == saved};
}

struct Task {
  const Landing* landing;
  BlockRead read;
};

bool is_before(const Task& a, const Task& b) {
  const auto place = [](const Task& task) {
    const StoredShard& shard = task.landing->target->stored->shards[task.read.shard];
    return std::tuple(shard.file, shard.offset, task.read.block);
  };
  return place(a) < place(b);
}

// Reads one block and puts its wanted bytes where they belong.
class BlockRun {
 public:
  BlockRun(StepFiles& files, int64_t block_bytes)
      : files_(files), block_bytes_(block_bytes) {}

  void run(const Task& task) {
    const auto& [landing, read] = task;
    const StoredTensor& stored = *landing->target->stored;
    const StoredShard& shard = stored.shards[read.shard];
    const bool is_whole = read.begin == 0 && read.end == read.block_bytes;
    if (landing->is_plain && is_whole) {
      files_.read_block(stored, shard, read.block, read.block_bytes,
                        plain(*landing) + read.destination);
      return;
    }
    buffer_.resize(static_cast<std::size_t>(block_bytes_));
    files_.read_block(stored, shard, read.block, read.block_bytes, buffer_.data());
    deliver(*landing, read);
  }

 private:
  static char* plain(const Landing& landing) {
    return static_cast<char*>(landing.rows.mutable_data_ptr());
  }

  void deliver(const Landing& landing, const BlockRead& read) {
    const int64_t bytes = read.end - read.begin;
    char* wanted = buffer_.data() + read.begin;
    if (landing.is_plain) {
      std::memcpy(plain(landing) + read.destination, wanted,
                  static_cast<std::size_t>(bytes));
      return;
    }
    const auto size = static_cast<int64_t>(c10::elementSize(landing.saved_dtype));
    const at::Tensor saved = at::from_blob(wanted, {bytes / size}, landing.saved_dtype);
    copy(saved,
         landing.rows.view({-1}).narrow(0, read.destination / size, bytes / size));
  }

  // On the CPU in pieces: a longer copy_ would start threads under each of ours.
  static void copy(const at::Tensor& from, const at::Tensor& to) {
    const int64_t elements = from.numel();
    const int64_t piece = to.is_cpu() ? kMostSerialElements : elements;
    for (int64_t begin = 0; begin < elements; begin += piece) {
      const int64_t length = std::min(piece, elements - begin);
      to.narrow(0, begin, length).copy_(from.narrow(0, begin, length));
    }
  }

  StepFiles& files_;
  const int64_t block_bytes_;
  std::vector<char> buffer_;
};

}  // namespace

void run_parallel(int64_t count, int threads,
                  const std::function<void(int64_t index, int thread)>& call) {
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;  // Guarded by mutex.
  const auto work = [&](int thread) {
    try {
      for (int64_t i = next++; i < count; i = next++) call(i, thread);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next = count;
    }
  };
  std::vector<std::jthread> others;
  for (int i = 1; i < std::min<int64_t>(threads, count); ++i) {
    others.emplace_back(work, i);
  }
  work(0);
  others.clear();
  if (error) std::rethrow_exception(error);
}

int64_t read_targets(StepFiles& files, const Manifest& manifest,
                     const std::vector<Target>& targets, int threads) {
  std::vector<Landing> landings;
  for (const Target& target : targets) landings.push_back(make_landing(target));
  std::vector<Task> tasks;
  int64_t bytes = 0;
  for (const Landing& landing : landings) {
    const Target& target = *landing.target;
    for (const BlockRead& read : plan_reads(*target.stored, manifest.block_bytes,
                                            target.row_begin, target.row_end)) {
      tasks.push_back({&landing, read});
      bytes += read.end - read.begin;
    }
  }
  std::ranges::sort(tasks, is_before);
  std::vector<BlockRun> runs(static_cast<std::size_t>(threads),
                             BlockRun(files, manifest.block_bytes));
  const auto count = static_cast<int64_t>(tasks.size());
  run_parallel(count, threads, [&](int64_t index, int thread) {
    const at::NoGradGuard no_grad;
    runs[static_cast<std::size_t>(thread)].run(tasks[static_cast<std::size_t>(index)]);
  });
  const at::NoGradGuard no_grad;
  for (const Landing& landing : landings) {
    if (landing.rows.is_same(landing.target->rows)) continue;
    at::Tensor rows = landing.target->rows;
    rows.copy_(landing.rows);
  }
  return bytes;
}

}  // namespace shardopt::checkpoint
