#include "save_job.h"

#include <algorithm>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <c10/core/Device.h>

#include "chunk_stream.h"
#include "paths.h"

namespace shardopt::checkpoint {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{8} << 20;

// Small files need no large chunks.
std::size_t chunk_bytes(int64_t file_bytes) {
  const auto bytes = static_cast<std::size_t>(file_bytes);
  const std::size_t padded = (bytes / kDirectAlignment + 1) * kDirectAlignment;
  return std::min(padded, kChunkBytes);
}

// What is not plain memory is brought there by so many rows at a time.
bool put_rows(ChunkStream& stream, const at::Tensor& rows, int64_t block_bytes) {
  const auto put = [&](const at::Tensor& part) {
    return stream.put(part.const_data_ptr(), part.nbytes());
  };
  const bool is_plain = rows.device().is_cpu() && rows.is_contiguous() &&
                        !rows.is_conj() && !rows.is_neg();
  if (is_plain) return put(rows);
  const int64_t count = rows.size(0);
  const int64_t one = static_cast<int64_t>(rows.nbytes()) / count;
  const int64_t step = std::max<int64_t>(1, block_bytes / std::max<int64_t>(one, 1));
  for (int64_t at = 0; at < count; at += step) {
    const at::Tensor part = rows.narrow(0, at, std::min(step, count - at));
    if (!put(part.resolve_conj().resolve_neg().to(at::kCPU).contiguous())) return false;
  }
  return true;
}

at::Tensor rows_of(const FlatTensor& tensor, const Piece& piece) {
  if (tensor.local.dim() == 0) return tensor.local.reshape({1});
  return tensor.local.narrow(0, piece.local_begin, piece.rows);
}

}  // namespace

SaveJob::SaveJob(FlatState flat, DataLayout layout, int rank, Handle attempt,
                 const SaveJobOptions& options)
    : flat_(std::move(flat)),
      layout_(std::move(layout)),
      options_(options),
      attempt_(std::move(attempt)),
      staging_(chunk_bytes(layout_.bytes), options.budget_bytes),
      part_(describe(flat_, layout_, rank)),
      thread_([this] { run(); }) {}

SaveJob::~SaveJob() {
  cancel();
  join();
}

void SaveJob::join() {
  if (thread_.joinable()) thread_.join();
}

void SaveJob::cancel() {
  is_cancelled_ = true;
  staging_.stop();
}

void SaveJob::wait_copied() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return is_copied_; });
}

void SaveJob::note_copied() {
  const std::lock_guard lock(mutex_);
  is_copied_ = true;
  changed_.notify_all();
}

// In a catch block: keeps the first error and ends the other threads.
void SaveJob::note_failure() {
  const Failure failure = current_failure();
  const std::lock_guard lock(mutex_);
  if (failure_.fault < 0) failure_ = failure;
  staging_.stop();
}

void SaveJob::run() {
  try {
    if (!layout_.pieces.empty()) write_file();
  } catch (...) {
    note_failure();
  }
  note_copied();
  is_done_ = true;
}

void SaveJob::write_file() {
  DataWriter writer(attempt_, part_.files.front().name, layout_.bytes,
                    options_.is_direct);
  std::vector<std::thread> threads;
  try {
    for (int i = 0; i < options_.writer_threads; ++i) {
      threads.emplace_back([&] { write_chunks(writer); });
    }
    fill();
  } catch (...) {
    note_failure();
  }
  note_copied();
  staging_.end();
  for (std::thread& thread : threads) thread.join();
  if (failure_.fault >= 0 || is_cancelled_) return;
  writer.finish();
  sync(attempt_);
  was_direct_ = writer.is_direct();
}

void SaveJob::fill() {
  const at::NoGradGuard no_grad;
  ChunkStream stream(staging_);
  if (!stream.put(layout_.head.data(), layout_.head.size())) return;
  for (std::size_t i = 0; i < layout_.pieces.size(); ++i) {
    StoredShard& shard = part_.tensors[i].shards.front();
    if (shard.bytes == 0) continue;
    const Piece& piece = layout_.pieces[i];
    stream.begin_blocks(shard.block_crcs, options_.block_bytes);
    const at::Tensor rows = rows_of(flat_.tensors[piece.tensor], piece);
    if (!put_rows(stream, rows, options_.block_bytes)) return;
    stream.end_blocks();
  }
  stream.end();
}

void SaveJob::write_chunks(DataWriter& writer) {
  try {
    while (auto chunk = staging_.take_full()) {
      writer.write(*chunk);
      staging_.put_empty(std::move(*chunk));
    }
  } catch (...) {
    note_failure();
  }
}

}  // namespace shardopt::checkpoint
