#include "step_files.h"

#include <utility>

#include "paths.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/core/crc32c.h"

namespace shardopt::checkpoint {

StepFiles::StepFiles(FileSystem& files, const std::filesystem::path& folder,
                     const Manifest& manifest)
    : manifest_(manifest), step_(open_root(files, folder.string())) {
  for (std::size_t i = 0; i < manifest.files.size(); ++i) {
    slots_.push_back(std::make_unique<Slot>());
  }
  if (!slots_.empty()) {
    attempt_.emplace(open_folder(step_, attempt_folder_name(manifest.attempt)));
  }
}

const Handle& StepFiles::file(uint32_t index) {
  Slot& slot = *slots_.at(index);
  std::call_once(slot.once, [&] { open(index, slot); });
  return *slot.handle;
}

void StepFiles::open(uint32_t index, Slot& slot) {
  const DataFile& expected = manifest_.files.at(index);
  Handle handle = open_file(*attempt_, expected.name);
  const int64_t bytes = size_of(handle);
  if (bytes != expected.bytes) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, handle.path(), ": it has ", bytes,
                             " bytes, MANIFEST says ", expected.bytes);
  }
  std::string head(static_cast<std::size_t>(expected.data_begin), '\0');
  read_all(handle, head.data(), head.size(), 0);
  if (crc32c(head.data(), head.size()) != expected.header_crc) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, handle.path(),
                             ": the CRC of its header (bytes 0 to ", head.size(),
                             ") is not the one in MANIFEST");
  }
  slot.handle.emplace(std::move(handle));
}

std::string StepFiles::header(uint32_t index) {
  const Handle& handle = file(index);
  std::string head(static_cast<std::size_t>(manifest_.files.at(index).data_begin),
                   '\0');
  read_all(handle, head.data(), head.size(), 0);
  return head;
}

void StepFiles::read_block(const StoredTensor& tensor, const StoredShard& shard,
                           int64_t block, int64_t block_bytes, char* data) {
  const Handle& handle = file(shard.file);
  const int64_t offset = shard.offset + block * manifest_.block_bytes;
  read_all(handle, data, static_cast<std::size_t>(block_bytes), offset);
  const uint32_t expected = shard.block_crcs.at(static_cast<std::size_t>(block));
  const uint32_t found = crc32c(data, static_cast<std::size_t>(block_bytes));
  if (found == expected) return;
  SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, handle.path(), ": bytes ", offset, " to ",
                           offset + block_bytes, " (tensor '", tensor.name,
                           "', rows from ", shard.row_begin, ", block ", block,
                           ") have CRC ", found, ", MANIFEST says ", expected);
}

}  // namespace shardopt::checkpoint
