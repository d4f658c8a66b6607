/// Which step is loaded.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "shardopt/checkpoint/file_system.h"

namespace shardopt::checkpoint {

struct Choice {
  std::filesystem::path folder;
  std::string manifest_bytes;
  bool is_of_root = false;  ///< Found in a root: there may be others.
  std::vector<std::string> warnings{};
};

/// Step folders by path, and why they cannot be loaded, beyond what MANIFEST tells.
using Damaged = std::map<std::string, std::string>;

/// `path` itself if it is a step folder; else the newest sound step in it that is not
/// in `damaged`. At most `max_fallback` newer ones are passed over, a warning each;
/// LATEST is compared and never believed. Throws CheckpointFailure: kIncomplete if
/// there is no step, the newest step's error if too many are damaged, and at once an
/// error that passing over would hide: a newer format, or a disk that refuses.
[[nodiscard]] Choice choose_step(const std::filesystem::path& path, int max_fallback,
                                 const Damaged& damaged, FileSystem& files);

}  // namespace shardopt::checkpoint
