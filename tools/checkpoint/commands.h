/// What shardopt-checkpoint can do; each function is one command, and returns the
/// program's exit code. They throw c10::Error if they cannot go on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace shardopt::checkpoint_tool {

inline constexpr int kFine = 0;
inline constexpr int kDifferent = 1;  ///< Damaged (verify), not the same (diff).
inline constexpr int kFailure = 2;    ///< Could not be done, or was called wrongly.

/// A line per step of `root`: step, state, size, ranks, time.
int list(const std::filesystem::path& root);

/// What a step holds: mesh, sizes, the tree of states; with `lists_tensors` also every
/// tensor with its pieces, with `shows_config` the job's configuration.
int show(const std::filesystem::path& path, bool lists_tensors, bool shows_config);

/// Reads every byte of a step, or of every committed step of a root. kDifferent if
/// anything is damaged; goes on with the other steps then.
int verify(const std::filesystem::path& path, int threads);

/// What differs between two steps: configuration, values, tensors (with the largest
/// difference of each). kDifferent if anything but attempt, time and cut does.
int compare(const std::filesystem::path& a, const std::filesystem::path& b);

/// Which weights: those that training goes on from, or those to be evaluated (their
/// average, where the checkpoint has one, or Schedule-Free's).
enum class Point : uint8_t { kTrain, kEval };

struct ExportRequest {
  std::filesystem::path path;    ///< A step or a root (its newest sound step).
  std::filesystem::path output;  ///< One safetensors file, replaced at once.
  Point point = Point::kTrain;
  std::string
      dtype{};  ///< "f32", "bf16", "f16" of floating-point tensors; "": as saved.
};
int export_weights(const ExportRequest& request);

/// A safetensors file becomes step `step` of `root`, with the weights alone.
int import_weights(const std::filesystem::path& file, const std::filesystem::path& root,
                   int64_t step);

/// Removes all but the newest `keep` >= 1 sound steps of `root`, pinned ones aside.
int prune(const std::filesystem::path& root, int64_t keep);

}  // namespace shardopt::checkpoint_tool
