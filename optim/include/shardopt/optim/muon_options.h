/// Options of Muon.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shardopt/core/option.h"
#include "shardopt/optim/adamw_options.h"

namespace shardopt::optim {

/// What the orthogonalized update is multiplied by, rows and cols of the flattened
/// matrix.
enum class MuonScale : uint8_t {
  kAspectFlat,  ///< sqrt(max(1, rows / cols))
  kRms          ///< rms * sqrt(max(rows, cols))
};

/// Where a matrix that is cut over ranks is orthogonalized.
enum class MuonMode : uint8_t {
  kLocalShard  ///< Each rank its own rows: an approximation that depends on the ranks.
};

/// AdamW inside Muon, for what is not a hidden matrix. A group's own lr or weight_decay
/// goes before these.
struct MuonAdamWOptions {
  std::optional<double> lr{};            ///< Unset: Muon's lr.
  std::optional<double> weight_decay{};  ///< Unset: Muon's weight_decay.
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
};

struct MuonOptions {
  double lr = 0.02;
  double weight_decay = 0.0;
  double momentum = 0.95;
  bool nesterov = true;
  int64_t steps = 5;  ///< Of Newton-Schulz.
  double ns_eps = 0.0;
  MuonScale scale = MuonScale::kAspectFlat;
  double rms = 0.2;  ///< c of scale rms: 0.2 matches AdamW's update size.
  MuonMode mode = MuonMode::kLocalShard;
  /// Largest long side / short side of a matrix that Muon takes; unset: any.
  std::optional<double> max_aspect{};
  /// Regular expression; parameters whose names it finds go to the internal AdamW.
  std::string exclude{};
  bool exclude_embeddings = true;  ///< By role, and names with "embedding".
  bool exclude_head = true;        ///< By role.
  MuonAdamWOptions adamw{};

  /// Throws ConfigError if a value is out of range.
  void validate() const;
};

/// Without lr and weight_decay, which every algorithm has
/// (options_of(OptimizerConfig&)), and without those of the internal AdamW.
[[nodiscard]] std::vector<Option> options_of(MuonOptions& options);
/// Its lr and weight_decay too: they are its own.
[[nodiscard]] std::vector<Option> options_of(MuonAdamWOptions& options);

}  // namespace shardopt::optim
