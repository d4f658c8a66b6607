#include "manifest_check.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <c10/core/ScalarType.h>
#include <c10/util/StringUtil.h>

#include "paths.h"
#include "safetensors_dtypes.h"
#include "safetensors_header.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/core/crc32c.h"
#include "state_check.h"

namespace shardopt::checkpoint {
namespace {

constexpr int64_t kMinBlockBytes = int64_t{64} << 10;
constexpr int64_t kMaxBlockBytes = int64_t{64} << 20;

template <typename... Text>
[[noreturn]] void fail(const Text&... text) {
  SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, text...);
}

// a * b, neither negative.
int64_t product(int64_t a, int64_t b, const std::string& what) {
  int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) fail(what, ": its size overflows");
  return result;
}

int64_t sum(int64_t a, int64_t b, const std::string& what) {
  int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) fail(what, ": its extent overflows");
  return result;
}

int64_t row_bytes_of(const StoredTensor& tensor) {
  int64_t bytes = element_bytes(tensor.dtype);
  for (std::size_t i = 1; i < tensor.shape.size(); ++i) {
    bytes = product(bytes, tensor.shape[i], tensor.name);
  }
  return bytes;
}

void check_head(const Manifest& manifest) {
  if (manifest.major != kFormatMajor) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kUnsupported, "it is of format ", manifest.major,
                             ".", manifest.minor, " (", manifest.writer,
                             "); this program reads format ", kFormatMajor);
  }
  if (!manifest.required_features.empty()) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kUnsupported, "written by ", manifest.writer,
                             ", it needs features that this program lacks: ",
                             c10::Join(", ", manifest.required_features));
  }
  if (!is_attempt_folder(attempt_folder_name(manifest.attempt))) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kUnsafePath, "its attempt '", manifest.attempt,
                             "' is no 32 hexadecimal digits");
  }
  const int64_t block = manifest.block_bytes;
  if (block < kMinBlockBytes || block > kMaxBlockBytes || (block & (block - 1)) != 0) {
    fail("its blocks have ", block, " bytes; allowed: powers of two from ",
         kMinBlockBytes, " to ", kMaxBlockBytes);
  }
  const auto& [world_size, copies] = manifest.mesh;
  if (world_size < 1 || copies < 1 || world_size % copies != 0) {
    fail("it was written by ", world_size, " ranks in ", copies, " copies");
  }
  if (manifest.config_crc !=
      crc32c(manifest.config_text.data(), manifest.config_text.size())) {
    fail("the CRC of its configuration is wrong");
  }
}

void check_files(const Manifest& manifest) {
  std::set<std::string> names;
  for (const DataFile& file : manifest.files) {
    if (!is_data_file(file.name)) {
      SHARDOPT_CHECKPOINT_FAIL(Fault::kUnsafePath, "the name of its file '", file.name,
                               "' is not as rank-00000.safetensors");
    }
    if (!names.insert(file.name).second) fail("its file ", file.name, " comes twice");
    const bool is_header = kLengthBytes <= file.data_begin &&
                           file.data_begin <= kLengthBytes + kMaxHeaderBytes;
    if (!is_header || file.data_begin > file.bytes) {
      fail(file.name, ": data begin at ", file.data_begin, " of ", file.bytes);
    }
    if (file.writer_rank >= manifest.mesh.world_size) {
      fail(file.name, ": written by rank ", file.writer_rank, " of ",
           manifest.mesh.world_size);
    }
  }
}

void check_shard(const Manifest& manifest, const StoredTensor& tensor,
                 const StoredShard& shard, int64_t row_bytes) {
  if (shard.file >= manifest.files.size()) {
    fail(tensor.name, ": in file number ", shard.file, " of ", manifest.files.size());
  }
  if (shard.bytes != product(shard.rows, row_bytes, tensor.name)) {
    fail(tensor.name, ": ", shard.bytes, " bytes for ", shard.rows, " rows of ",
         row_bytes);
  }
  const DataFile& file = manifest.files[shard.file];
  const int64_t end = sum(shard.offset, shard.bytes, tensor.name);
  if (shard.offset < file.data_begin || end > file.bytes) {
    fail(tensor.name, ": bytes ", shard.offset, " to ", end, " of ", file.name,
         ", whose data are ", file.data_begin, " to ", file.bytes);
  }
  const int64_t blocks = shard.bytes / manifest.block_bytes +
                         (shard.bytes % manifest.block_bytes == 0 ? 0 : 1);
  if (static_cast<int64_t>(shard.block_crcs.size()) != blocks) {
    fail(tensor.name, ": ", shard.block_crcs.size(), " CRCs for ", blocks, " blocks");
  }
}

// Shards come by rising row, none left out.
void check_tensor(const Manifest& manifest, const StoredTensor& tensor) {
  if (element_bytes(tensor.dtype) == 0) {
    fail(tensor.name, ": its dtype '", tensor.dtype, "' is unknown");
  }
  const int64_t row_bytes = row_bytes_of(tensor);
  (void)product(row_count(tensor.shape), row_bytes, tensor.name);
  int64_t next_row = 0;
  for (const StoredShard& shard : tensor.shards) {
    if (shard.row_begin != next_row) {
      fail(tensor.name, ": after row ", next_row, " comes row ", shard.row_begin);
    }
    check_shard(manifest, tensor, shard, row_bytes);
    next_row = sum(next_row, shard.rows, tensor.name);
  }
  if (next_row != row_count(tensor.shape)) {
    fail(tensor.name, ": it has ", row_count(tensor.shape), " rows, its shards ",
         next_row);
  }
}

using Extent = std::pair<int64_t, int64_t>;  // begin, end

// Every byte of a file's data belongs to one shard.
void check_extents(const DataFile& file, std::vector<Extent>& extents) {
  std::ranges::sort(extents);
  int64_t next = file.data_begin;
  for (const auto& [begin, end] : extents) {
    if (begin != next) {
      fail(file.name, ": bytes ", std::min(begin, next), " to ", std::max(begin, next),
           begin < next ? " belong to two tensors" : " belong to no tensor");
    }
    next = end;
  }
  if (next != file.bytes) {
    fail(file.name, ": bytes ", next, " to ", file.bytes, " belong to no tensor");
  }
}

void check_tensors(const Manifest& manifest) {
  std::vector<std::vector<Extent>> extents(manifest.files.size());
  std::vector<const StoredTensor*> last(manifest.files.size());  // Seen in each file.
  int64_t total = 0;
  const std::string* before = nullptr;
  for (const StoredTensor& tensor : manifest.tensors) {
    const std::string problem = problem_of_tensor_name(tensor.name);
    if (!problem.empty()) fail("tensor '", tensor.name, "': ", problem);
    if (before != nullptr && *before >= tensor.name) {
      fail("tensor '", tensor.name, "' is not behind the one before it");
    }
    before = &tensor.name;
    check_tensor(manifest, tensor);
    for (const StoredShard& shard : tensor.shards) {
      if (std::exchange(last[shard.file], &tensor) == &tensor) {
        fail(tensor.name, ": two of its shards are in ",
             manifest.files[shard.file].name);
      }
      total = sum(total, shard.bytes, tensor.name);
      if (shard.bytes == 0) continue;
      extents[shard.file].emplace_back(shard.offset, shard.offset + shard.bytes);
    }
  }
  for (std::size_t i = 0; i < extents.size(); ++i) {
    check_extents(manifest.files[i], extents[i]);
  }
  if (total != manifest.total_data_bytes) {
    fail("it says ", manifest.total_data_bytes, " bytes of data, its shards ", total);
  }
}

}  // namespace

int64_t element_bytes(const std::string& dtype) {
  const auto known = dtype_named(dtype);
  return known.has_value() ? static_cast<int64_t>(c10::elementSize(*known)) : 0;
}

void check_manifest(const Manifest& manifest) {
  check_head(manifest);
  check_files(manifest);
  check_tensors(manifest);
  check_state(manifest);
}

}  // namespace shardopt::checkpoint
