#include "shardopt/checkpoint/root.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "files.h"
#include "frame.h"
#include "manifest_check.h"
#include "manifest_codec.h"
#include "paths.h"
#include "shardopt/checkpoint/checkpoint_failure.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxManifestBytes =
    static_cast<int64_t>(kMaxPayloadBytes) + static_cast<int64_t>(kFrameBytes);

void check_data_files(const Handle& step, const Manifest& manifest) {
  if (manifest.files.empty()) return;
  const Handle attempt = open_folder(step, attempt_folder_name(manifest.attempt));
  for (const DataFile& expected : manifest.files) {
    const int64_t bytes = size_of(attempt, expected.name);
    if (bytes == expected.bytes) continue;
    SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, attempt.path(), "/", expected.name,
                             ": it has ", bytes, " bytes, ", kManifestName, " says ",
                             expected.bytes);
  }
}

ManifestFile read_manifest(const Handle& step) {
  ManifestFile file{.bytes = read_small_file(step, kManifestName, kMaxManifestBytes)};
  file.manifest = parse_manifest(file.bytes, step.path() + "/" + kManifestName);
  return file;
}

// Never throws: what is wrong is the folder's `problem`.
StepFolder look_into(const Handle& root, const std::string& name, int64_t step) {
  StepFolder folder{.step = step, .path = fs::path(root.path()) / name};
  bool is_known = false;  // Whether it has a MANIFEST and a PIN.
  try {
    const Handle handle = open_folder(root, name);
    folder.is_committed = exists(handle, kManifestName);
    folder.is_pinned = exists(handle, kPinName);
    is_known = true;
    if (!folder.is_committed) {
      folder.problem = folder.path.string() + ": it has no MANIFEST";
      return folder;
    }
    const Manifest manifest = read_manifest(handle).manifest;
    folder.attempt = manifest.attempt;
    check_data_files(handle, manifest);
    if (manifest.step != step) {
      folder.problem =
          c10::str(folder.path.string(), ": its MANIFEST is of step ", manifest.step);
    }
  } catch (const CheckpointFailure& error) {
    folder.problem = error.what_without_backtrace();
    folder.is_unreadable =
        error.fault() == Fault::kStorage || error.fault() == Fault::kUnsupported;
    // A disk that refuses to answer does not make a step garbage.
    if (!is_known && error.fault() == Fault::kStorage) {
      folder.is_committed = folder.is_pinned = true;
    }
  } catch (const std::exception& error) {
    folder.is_unreadable = true;
    folder.problem = folder.path.string() + ": " + error.what();
  }
  return folder;
}

}  // namespace

Manifest parse_manifest(const std::string& bytes, const std::string& name) {
  try {
    Manifest manifest;
    const std::string problem = decode_manifest(check_frame(bytes), manifest);
    if (!problem.empty()) SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, problem);
    check_manifest(manifest);
    return manifest;
  } catch (const CheckpointFailure& error) {
    SHARDOPT_CHECKPOINT_FAIL(error.fault(), name, ": ", error.what_without_backtrace());
  }
}

ManifestFile open_step(const fs::path& folder, FileSystem& files) {
  const Handle step = open_root(files, folder.string());
  ManifestFile file = read_manifest(step);
  check_data_files(step, file.manifest);
  return file;
}

std::vector<StepFolder> list_steps(const fs::path& root, FileSystem& files) {
  const Handle handle = open_root(files, root.string());
  std::vector<StepFolder> steps;
  for (const std::string& name : list(handle)) {
    const auto step = parse_step_folder(name);
    if (step.has_value()) steps.push_back(look_into(handle, name, *step));
  }
  std::ranges::sort(steps, {}, &StepFolder::step);
  return steps;
}

}  // namespace shardopt::checkpoint
