#include "space.h"

#include <sys/statvfs.h>

#include <cerrno>

#include "shardopt/checkpoint/checkpoint_failure.h"

namespace shardopt::checkpoint {
namespace {

constexpr int64_t kReserveBytes = int64_t{64} << 20;

}  // namespace

void check_space(const Handle& root, int64_t bytes) {
  struct statvfs status {};
  if (retry([&] { return root.files().fstatvfs(root.descriptor(), status); }) != 0) {
    fail_storage(root.path(), "cannot ask for its free space", errno);
  }
  const auto free =
      static_cast<int64_t>(status.f_bavail) * static_cast<int64_t>(status.f_frsize);
  const int64_t needed = bytes + bytes / 50 + kReserveBytes;
  if (free >= needed) return;
  SHARDOPT_CHECKPOINT_FAIL(Fault::kStorage, root.path(), ": a step needs ", needed,
                           " bytes (", bytes, " of data), the disk has ", free,
                           " free");
}

}  // namespace shardopt::checkpoint
