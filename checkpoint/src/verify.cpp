// Reading a checkpoint for its own sake.
#include <algorithm>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include <ATen/ops/empty.h>
#include <c10/core/TensorOptions.h>

#include "block_reader.h"
#include "read_plan.h"
#include "safetensors_dtypes.h"
#include "safetensors_header.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/inspect.h"
#include "shardopt/checkpoint/root.h"
#include "step_files.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr int kTensorThreads = 4;

// What each file's header must say, by the manifest; entries by rising name.
std::vector<std::vector<TensorEntry>> expected_entries(const Manifest& manifest) {
  std::vector<std::vector<TensorEntry>> entries(manifest.files.size());
  for (const StoredTensor& tensor : manifest.tensors) {
    for (const StoredShard& shard : tensor.shards) {
      std::vector<int64_t> shape = tensor.shape;
      if (!shape.empty()) shape.front() = shard.rows;
      const int64_t begin = shard.offset - manifest.files[shard.file].data_begin;
      entries[shard.file].push_back({tensor.name, dtype_named(tensor.dtype).value(),
                                     std::move(shape), begin, begin + shard.bytes});
    }
  }
  return entries;
}

bool is_same(const TensorEntry& a, const TensorEntry& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape &&
         a.begin == b.begin && a.end == b.end;
}

SafetensorsHeader header_of(StepFiles& files, const DataFile& file, uint32_t index) {
  const std::string head = files.header(index);
  uint64_t length = 0;
  std::memcpy(&length, head.data(), kLengthBytes);
  const auto expected = static_cast<uint64_t>(file.data_begin - kLengthBytes);
  if (length != expected) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, files.file(index).path(),
                             ": its header has ", length, " bytes, MANIFEST says ",
                             expected);
  }
  try {
    const auto json = std::string_view(head).substr(kLengthBytes);
    return parse_header(json, file.bytes - file.data_begin);
  } catch (const CheckpointError& error) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, files.file(index).path(), ": ",
                             error.what_without_backtrace());
  }
}

void check_header(StepFiles& files, const Manifest& manifest, uint32_t index,
                  const std::vector<TensorEntry>& expected) {
  const DataFile& file = manifest.files[index];
  SafetensorsHeader header = header_of(files, file, index);
  std::ranges::sort(header.entries, {}, &TensorEntry::name);
  const bool is_fine =
      std::ranges::equal(header.entries, expected, is_same) &&
      header.metadata["shardopt_attempt"] == manifest.attempt &&
      header.metadata["shardopt_rank"] == std::to_string(file.writer_rank) &&
      header.metadata["shardopt_step"] == std::to_string(manifest.step);
  if (is_fine) return;
  SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, files.file(index).path(),
                           ": its header and MANIFEST say different things");
}

struct BlockOf {
  const StoredTensor* tensor;
  BlockRead read;
};

}  // namespace

void verify_step(const fs::path& folder, FileSystem& files, int threads,
                 const ProgressCall& progress) {
  TORCH_CHECK(threads >= 1, "threads is ", threads, "; allowed: >= 1");
  const Manifest manifest = open_step(folder, files).manifest;
  StepFiles step(files, folder, manifest);
  const auto expected = expected_entries(manifest);
  for (uint32_t i = 0; i < manifest.files.size(); ++i) {
    check_header(step, manifest, i, expected[i]);
  }
  std::vector<BlockOf> blocks;
  for (const StoredTensor& tensor : manifest.tensors) {
    for (const BlockRead& read :
         plan_reads(tensor, manifest.block_bytes, 0, row_count(tensor.shape))) {
      blocks.push_back({&tensor, read});
    }
  }
  std::vector<std::vector<char>> buffers(static_cast<std::size_t>(threads));
  std::mutex mutex;
  int64_t done_bytes = 0;  // Guarded by mutex, as is the call.
  run_parallel(static_cast<int64_t>(blocks.size()), threads,
               [&](int64_t i, int thread) {
                 const auto& [tensor, read] = blocks[static_cast<std::size_t>(i)];
                 auto& buffer = buffers[static_cast<std::size_t>(thread)];
                 buffer.resize(static_cast<std::size_t>(manifest.block_bytes));
                 step.read_block(*tensor, tensor->shards[read.shard], read.block,
                                 read.block_bytes, buffer.data());
                 if (!progress) return;
                 const std::lock_guard lock(mutex);
                 done_bytes += read.block_bytes;
                 progress(done_bytes, manifest.total_data_bytes);
               });
}

at::Tensor read_tensor(const fs::path& folder, const Manifest& manifest,
                       const std::string& name, FileSystem& files) {
  const StoredTensor* stored = find_tensor(manifest, name);
  if (stored == nullptr) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kMismatch, folder.string(), ": it has no tensor '",
                             name, "'");
  }
  StepFiles step(files, folder, manifest);
  const at::Tensor whole =
      at::empty(stored->shape, at::TensorOptions(dtype_named(stored->dtype).value()));
  const Target target{.stored = stored,
                      .path = name,
                      .rows = whole.dim() == 0 ? whole.view({1}) : whole,
                      .row_end = row_count(stored->shape)};
  read_targets(step, manifest, {target}, kTensorThreads);
  return whole;
}

}  // namespace shardopt::checkpoint
