/// What went wrong with a checkpoint.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shardopt/core/error.h"

namespace shardopt::checkpoint {

enum class Fault : uint8_t {
  kCorrupt,      ///< Bytes are not those that were written.
  kIncomplete,   ///< A file or a folder is missing.
  kMismatch,     ///< It is sound, but not of this model, optimizer, job or mesh.
  kUnsupported,  ///< Written by a newer version, or with a feature unknown here.
  kUnsafePath,   ///< A name leads out of the folder, or is no regular file or folder.
  kBusy,         ///< Another job has the folder.
  kStorage       ///< The file system refused: full, read-only, broken.
};

/// "corrupt", "incomplete" ...
[[nodiscard]] std::string_view fault_name(Fault fault);

/// Thrown by everything in this module but preconditions. Where ranks work together,
/// the same fault and the same message on every rank.
class CheckpointFailure : public CheckpointError {
 public:
  CheckpointFailure(c10::SourceLocation where, Fault fault, const std::string& message)
      : CheckpointError(where, message), fault_(fault) {}

  [[nodiscard]] Fault fault() const noexcept { return fault_; }

 private:
  Fault fault_;
};

}  // namespace shardopt::checkpoint

/// Throws CheckpointFailure with the remaining arguments streamed into its message.
#define SHARDOPT_CHECKPOINT_FAIL(fault, ...)                          \
  throw ::shardopt::checkpoint::CheckpointFailure(                    \
      {__func__, __FILE__, static_cast<uint32_t>(__LINE__)}, (fault), \
      c10::str(__VA_ARGS__))
