/// A picture of what each rank does when: Chrome's trace format.
#pragma once

#include <cstdint>
#include <string>

#include "shardopt/config/train_config.h"
#include "shardopt/distributed/mesh.h"
#include "shardopt/distributed/timeline.h"

namespace shardopt::train {

/// Records the steps that `options` asks for on all ranks; rank 0 of the mesh writes
/// them as one file, a process for each rank and a thread for each track. Nothing if
/// `options.path` is empty. Mesh and timeline outlive it.
class Profile {
 public:
  Profile(const config::ProfileOptions& options, const distributed::Mesh& mesh,
          distributed::Timeline& timeline)
      : options_(options), mesh_(mesh), timeline_(timeline) {}

  /// Creates the file, or empties it, so that a path which cannot be written is known
  /// at once. Throws ConfigError naming profile.path. Local; for one rank.
  void prepare() const;

  /// Before step number `step`, counted from 1. Collective where recording begins.
  void before_step(int64_t step);

  /// After it; `is_last` if none follows. Collective where recording ends. Throws
  /// ConfigError on every rank if the file cannot be written.
  void after_step(int64_t step, bool is_last);

 private:
  void write() const;
  void write_file(const std::string& text) const;

  const config::ProfileOptions& options_;
  const distributed::Mesh& mesh_;
  distributed::Timeline& timeline_;
};

}  // namespace shardopt::train
