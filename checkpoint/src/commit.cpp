#include "commit.h"

#include <algorithm>
#include <climits>
#include <exception>
#include <functional>
#include <iterator>
#include <map>
#include <utility>

#include "frame.h"
#include "manifest_check.h"
#include "paths.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/root.h"

namespace shardopt::checkpoint {
namespace {

// Tensors of several ranks by name; each brings its rows.
using Tensors = std::map<std::string, StoredTensor>;

void add(StoredTensor tensor, uint32_t first_file, Tensors& tensors) {
  for (StoredShard& shard : tensor.shards) shard.file += first_file;
  const auto [it, is_new] = tensors.try_emplace(tensor.name, tensor);
  if (is_new) return;
  StoredTensor& known = it->second;
  if (known.dtype != tensor.dtype || known.shape != tensor.shape) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kMismatch, "ranks wrote tensor '", tensor.name,
                             "' with different dtypes or shapes");
  }
  std::ranges::move(tensor.shards, std::back_inserter(known.shards));
}

// Empty if it cannot be read.
std::string attempt_or_none(const Handle& step) {
  try {
    return committed_attempt(step);
  } catch (const CheckpointFailure&) {
    return "";
  }
}

// Turns the MANIFEST of left steps into `to`, or back again.
void rename_left(const Handle& root, const std::vector<LeftStep>& steps,
                 const char* from, const char* to) {
  for (const auto& [number, attempt] : steps) {
    const std::string name = step_folder_name(number);
    if (!exists(root, name)) continue;
    const Handle folder = open_folder(root, name);
    if (!exists(folder, from)) continue;
    // This job may have saved the same step meanwhile, and not have heard of it.
    if (from == kManifestName && attempt_or_none(folder) != attempt) continue;
    rename(folder, from, to);
    sync(folder);
  }
}

// All is prepared before steps are left: only renames remain then.
void commit_manifest(const Handle& root, const Handle& step, const Commit& work) {
  const std::string temporary = temporary_name(kManifestName, work.manifest.attempt);
  write_small_file(step, temporary, add_frame(encode_manifest(work.manifest)));
  try {
    rename_left(root, work.left_steps, kManifestName, kStaleManifestName);
    rename(step, temporary, kManifestName);
  } catch (const CheckpointFailure&) {
    (void)step.files().unlink(step.descriptor(), temporary);
    try {
      rename_left(root, work.left_steps, kStaleManifestName, kManifestName);
    } catch (const CheckpointFailure&) {
      // The failure under way is the one to tell.
    }
    throw;
  }
  sync(step);
}

void try_to(const std::string& what, std::vector<std::string>& warnings,
            const std::function<void()>& call) {
  try {
    call();
  } catch (const CheckpointFailure& error) {
    warnings.push_back(what + ": " + error.what_without_backtrace());
  } catch (const std::exception& error) {
    warnings.push_back(what + ": " + error.what());
  }
}

}  // namespace

std::string committed_attempt(const Handle& step) {
  const std::string bytes = read_small_file(step, kManifestName, INT_MAX);
  return parse_manifest(bytes, step.path()).attempt;
}

void merge_parts(const std::vector<std::string>& parts, Manifest& manifest) {
  Tensors tensors;
  for (const std::string& bytes : parts) {
    RankPart part;
    const std::string problem = decode_part(bytes, part);
    if (!problem.empty()) SHARDOPT_CHECKPOINT_FAIL(Fault::kCorrupt, problem);
    const auto first_file = static_cast<uint32_t>(manifest.files.size());
    std::ranges::move(part.files, std::back_inserter(manifest.files));
    for (StoredTensor& tensor : part.tensors)
      add(std::move(tensor), first_file, tensors);
  }
  for (auto& [name, tensor] : tensors) {
    std::ranges::sort(tensor.shards, {}, &StoredShard::row_begin);
    for (const StoredShard& shard : tensor.shards) {
      manifest.total_data_bytes += shard.bytes;
    }
    manifest.tensors.push_back(std::move(tensor));
  }
  check_manifest(manifest);
}

std::vector<std::string> commit(const Handle& root, Commit work) {
  Manifest& manifest = work.manifest;
  merge_parts(work.parts, manifest);
  const std::string name = step_folder_name(manifest.step);
  commit_manifest(root, open_folder(root, name), work);
  std::vector<std::string> warnings;
  try_to("LATEST was not updated", warnings, [&] {
    replace_file(root, kLatestName, temporary_name(kLatestName, manifest.attempt),
                 latest_text(name));
  });
  try_to("temporaries were not removed", warnings, [&] {
    for (const std::string& entry : list(root)) {
      if (is_temporary(entry)) remove_file(root, entry);
    }
  });
  work.retention.protected_steps.insert(manifest.step);
  try_to("old steps were not removed", warnings,
         [&] { (void)apply_retention(root, work.retention, warnings); });
  return warnings;
}

}  // namespace shardopt::checkpoint
