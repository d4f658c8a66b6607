/// Everything that a training run can be told, as plain values.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "shardopt/config/checkpoint_options.h"
#include "shardopt/core/option.h"
#include "shardopt/distributed/backend_kind.h"
#include "shardopt/optim/average_options.h"
#include "shardopt/optim/loss_scale_options.h"
#include "shardopt/optim/optimizer_config.h"
#include "shardopt/optim/schedule_options.h"
#include "shardopt/optim/transform_options.h"

namespace shardopt::config {

enum class SampleOrder : uint8_t { kShuffled, kSequential };
enum class NonFinitePolicy : uint8_t { kSkip, kStop };
enum class DeviceKind : uint8_t { kCpu, kCuda };
enum class LayoutKind : uint8_t { kRows };
enum class FloatKind : uint8_t { kFp32, kBf16 };

/// Where gradients wait between the micro-steps of one step.
enum class Accumulation : uint8_t {
  kWhole,  ///< Whole, fp32, on each rank; one reduction per step.
  kShards  ///< Cut as parameters are; one reduction per micro-step.
};

/// The transformer, over bytes of text.
struct ModelOptions {
  int64_t layers = 4;
  int64_t dim = 128;
  int64_t heads = 4;
  int64_t context = 128;
  double dropout = 0.0;
  int64_t hidden = 0;  ///< 0: 8/3 of dim, rounded up to a multiple of 32.
  bool tied = true;    ///< Embedding and output head are one weight.
  double init_std = 0.02;
  double rope_theta = 10000.0;
  double norm_eps = 1e-5;
  std::string init{};                ///< Weights to begin with; empty: drawn.
  std::string init_allow_missing{};  ///< As in checkpoint::LoadOptions, by commas.
  std::string init_ignore{};
  std::string init_cast{};
};

struct DataOptions {
  std::string path{};
  SampleOrder order = SampleOrder::kShuffled;
  double validation_fraction = 0.1;
};

struct TrainOptions {
  int64_t steps = 1000;
  int64_t batch = 16;
  int64_t accumulation = 1;
  int64_t seed = 1;
  double clip_norm = 1.0;  ///< 0: off.
  int64_t threads = 0;     ///< 0: as the launcher set.
  int64_t validate_every = 100;
  int64_t validation_batches = 16;
  NonFinitePolicy non_finite = NonFinitePolicy::kSkip;
  int64_t max_skipped = 10;
  DeviceKind device = DeviceKind::kCpu;
  int64_t divergence_every = 100;  ///< 0: never.
  int64_t stop_after = 0;          ///< 0: after `steps`.
};

struct MeshOptions {
  int64_t shard = 0;      ///< 0: what replicate leaves.
  int64_t replicate = 1;  ///< 0: what shard leaves.
  distributed::BackendKind backend = distributed::BackendKind::kAuto;
  LayoutKind layout = LayoutKind::kRows;
  FloatKind compute_dtype = FloatKind::kFp32;
  FloatKind reduce_dtype = FloatKind::kFp32;
  bool keep_last_gathered = true;
  int64_t timeout_seconds = 300;
  Accumulation accumulate = Accumulation::kShards;
  bool overlap = true;
  bool check_calls = false;
};

struct OutputOptions {
  std::string path{};  ///< Empty: no files.
  bool overwrite = false;
  int64_t sample_bytes = 256;
  int64_t log_every = 10;
};

/// Chrome's trace format, of every rank.
struct ProfileOptions {
  std::string path{};  ///< Empty: none.
  int64_t first_step = 3;
  int64_t steps = 3;
};

/// Each lists its struct's members: names, defaults, ranges and meaning.
[[nodiscard]] std::vector<Option> options_of(ModelOptions& options);
[[nodiscard]] std::vector<Option> options_of(DataOptions& options);
[[nodiscard]] std::vector<Option> options_of(TrainOptions& options);
[[nodiscard]] std::vector<Option> options_of(MeshOptions& options);
[[nodiscard]] std::vector<Option> options_of(OutputOptions& options);
[[nodiscard]] std::vector<Option> options_of(ProfileOptions& options);

struct TrainConfig {
  ModelOptions model{};
  DataOptions data{};
  optim::OptimizerConfig optimizer{};
  std::vector<optim::TransformRule> transforms{};  ///< In order.
  optim::LossScaleOptions loss_scale{};
  optim::AverageOptions average{};
  optim::ScheduleOptions schedule{};
  TrainOptions train{};
  MeshOptions mesh{};
  OutputOptions output{};
  ProfileOptions profile{};
  CheckpointOptions checkpoint{};
  /// Paths of the blocks and fields that the file or an override speaks of. No option,
  /// and not printed: unused_blocks() reads it.
  std::set<std::string> given{};
};

}  // namespace shardopt::config
