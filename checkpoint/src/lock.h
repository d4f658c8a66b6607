/// The right to write into a root and to remove from it.
#pragma once

#include <chrono>
#include <string>

#include "files.h"

namespace shardopt::checkpoint {

/// Holds a root's LOCK while it lives: an advisory lock that ends with the process,
/// however it ends.
class RootLock {
 public:
  /// Makes `root`, with its parents, if need be. Waits for another holder for `wait` at
  /// most; then throws CheckpointFailure (kBusy) naming it.
  RootLock(FileSystem& files, const std::string& root, std::chrono::seconds wait);

  [[nodiscard]] const Handle& root() const noexcept { return root_; }

 private:
  void take(std::chrono::seconds wait);

  Handle root_;
  Handle file_;
};

}  // namespace shardopt::checkpoint
