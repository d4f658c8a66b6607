/// LibTorch's log, silenced for a while.
#pragma once

namespace shardopt::distributed {

/// While one lives, LibTorch logs nothing but its own bugs, in this whole process: it
/// would print a backtrace for each attempt that fails or times out, beside the error
/// that says it all.
///
/// Thread safety: full.
class QuietLog {
 public:
  QuietLog();
  ~QuietLog();
  QuietLog(const QuietLog&) = delete;
  QuietLog& operator=(const QuietLog&) = delete;
};

}  // namespace shardopt::distributed
