/// The folder that holds a job's checkpoints.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "shardopt/checkpoint/file_system.h"
#include "shardopt/checkpoint/manifest.h"

namespace shardopt::checkpoint {

/// "step_000000001000": twelve digits at least, so that names sort as numbers.
[[nodiscard]] std::string step_folder_name(int64_t step);

/// One step folder of a root.
struct StepFolder {
  int64_t step = 0;
  std::filesystem::path path;
  bool is_committed = false;  ///< It has a MANIFEST, or the disk refuses to say.
  std::string attempt{};      ///< That its MANIFEST names; empty if none can be read.
  bool is_pinned = false;     ///< The same of PIN: never removed by retention.
  /// The problem is no damage: a newer format, or a disk that refused to answer. Such a
  /// step is nobody's to give up unasked.
  bool is_unreadable = false;
  /// Why it cannot be loaded; empty: MANIFEST is sound and every file has its size.
  std::string problem{};
};

/// Those of `root`, by rising step, each looked into but for its data. Folders that are
/// no steps are no entries. Throws CheckpointFailure if `root` cannot be read.
[[nodiscard]] std::vector<StepFolder> list_steps(const std::filesystem::path& root,
                                                 FileSystem& files);

/// The bytes of a step's MANIFEST, and what they say.
struct ManifestFile {
  std::string bytes;
  Manifest manifest{};
};

/// Reads and checks the MANIFEST of a step folder under any name (a copy, say), and
/// that all its files are there with their exact sizes. Throws CheckpointFailure,
/// naming file and cause.
[[nodiscard]] ManifestFile open_step(const std::filesystem::path& folder,
                                     FileSystem& files);

/// The same of bytes that another rank has read: no file is touched. `name` is for
/// messages.
[[nodiscard]] Manifest parse_manifest(const std::string& bytes,
                                      const std::string& name);

/// Removes the steps behind `keep` >= 1 newer sound ones, damaged or not, and folders
/// of dead attempts; pinned ones stay. Holds LOCK meanwhile, and does not wait for it
/// (kBusy). Returns what it has removed.
std::vector<std::filesystem::path> prune_steps(const std::filesystem::path& root,
                                               int64_t keep, FileSystem& files);

}  // namespace shardopt::checkpoint
