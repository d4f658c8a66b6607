#include "shardopt/config/train_config.h"

namespace shardopt::config {
using distributed::BackendKind;

namespace {

constexpr Range kCount{.min = 1.0};
constexpr Range kCountOrNone{.min = 0.0};
// Beyond these a product of sizes might not fit 64 bits.
constexpr Range kLayers{.min = 1.0, .max = 65536.0};
constexpr Range kWidth{.min = 1.0, .max = 1048576.0};
constexpr Range kWidthOrNone{.min = 0.0, .max = 4194304.0};
constexpr Range kContext{.min = 2.0, .max = 16777216.0};
constexpr Range kThreads{.min = 0.0, .max = 1024.0};
constexpr Range kSampleBytes{.min = 0.0, .max = 1048576.0};
constexpr Range kTimeoutSeconds{.min = 1.0, .max = 604800.0};  // A week.

std::vector<std::pair<std::string, FloatKind>> float_kinds() {
  return {{"fp32", FloatKind::kFp32}, {"bf16", FloatKind::kBf16}};
}

}  // namespace

std::vector<Option> options_of(ModelOptions& options) {
  return {
      make_option("layers", options.layers, kLayers, "Blocks of attention and MLP."),
      make_option("dim", options.dim, kWidth, "Width of the residual stream."),
      make_option("heads", options.heads, kWidth,
                  "Attention heads; divides dim into an even number each."),
      make_option("context", options.context, kContext,
                  "Bytes that a prediction can look back at, itself included."),
      make_option("dropout", options.dropout, kFraction,
                  "Share of activations dropped in training; 0 is off."),
      make_option("hidden", options.hidden, kWidthOrNone,
                  "Width inside the SwiGLU; 0 is 8/3 of dim, rounded up to 32s."),
      make_option("tied", options.tied, "Embedding and output head share one weight."),
      make_option("init_std", options.init_std, kPositive,
                  "Standard deviation of initial weights."),
      make_option("rope_theta", options.rope_theta, kPositive,
                  "Base of the rotary embedding's wavelengths."),
      make_option("norm_eps", options.norm_eps, kPositive,
                  "Added to the mean square in RMSNorm."),
      make_option(
          "init", options.init,
          "Weights to begin with, all else fresh: a checkpoint's root, a step's "
          "folder, or a .safetensors file; empty draws them."),
      make_option("init_allow_missing", options.init_allow_missing,
                  "Patterns (* and ?), by commas, of weights that init may lack, as "
                  "model/head.*."),
      make_option("init_ignore", options.init_ignore,
                  "The same of weights that are not taken from init."),
      make_option("init_cast", options.init_cast,
                  "Types that may be converted, by commas, as bf16:f32.")};
}

std::vector<Option> options_of(DataOptions& options) {
  return {
      make_option("path", options.path,
                  "Text to train on, as bytes: a file, or a folder of files."),
      make_choice<SampleOrder>("order", options.order,
                               {{"shuffled", SampleOrder::kShuffled},
                                {"sequential", SampleOrder::kSequential}},
                               "How samples are drawn: hashed from seed and number, or "
                               "one after the other."),
      make_option("validation_fraction", options.validation_fraction, kFraction,
                  "Share of the text, at its end, kept for validation.")};
}

std::vector<Option> options_of(TrainOptions& options) {
  return {
      make_option("steps", options.steps, kCountOrNone,
                  "Optimizer steps; 0 writes the initial weights."),
      make_option("batch", options.batch, kCount,
                  "Sequences per step, over all ranks and micro-steps."),
      make_option("accumulation", options.accumulation, kCount,
                  "Micro-steps per step, that the batch is divided into."),
      make_option("seed", options.seed, kCountOrNone,
                  "Decides weights, order of samples and dropout."),
      make_option("clip_norm", options.clip_norm, kNonNegative,
                  "Largest norm of the whole gradient; 0 does not clip."),
      make_option("threads", options.threads, kThreads,
                  "Compute threads per rank; 0 leaves what the launcher set."),
      make_option("validate_every", options.validate_every, kCountOrNone,
                  "Steps between validations; 0 never validates."),
      make_option("validation_batches", options.validation_batches, kCount,
                  "Batches per validation, the same ones each time."),
      make_choice<NonFinitePolicy>(
          "non_finite", options.non_finite,
          {{"skip", NonFinitePolicy::kSkip}, {"stop", NonFinitePolicy::kStop}},
          "What a loss or gradient that is no finite number leads to."),
      make_option("max_skipped", options.max_skipped, kCount,
                  "Steps skipped in a row that end the run, under non_finite skip."),
      make_choice<DeviceKind>("device", options.device,
                              {{"cpu", DeviceKind::kCpu}, {"cuda", DeviceKind::kCuda}},
                              "Where tensors live."),
      make_option("divergence_every", options.divergence_every, kCountOrNone,
                  "Steps between comparisons of state that ranks share; 0 never "
                  "compares."),
      make_option(
          "stop_after", options.stop_after, kCountOrNone,
          "Step after which the job saves and ends, to be resumed; 0 is none.")};
}

std::vector<Option> options_of(MeshOptions& options) {
  return {
      make_option("shard", options.shard, kCountOrNone,
                  "Ranks that parameters are cut over; 0 is what replicate leaves."),
      make_option("replicate", options.replicate, kCountOrNone,
                  "Copies of the sharded model; 0 is what shard leaves."),
      make_choice<BackendKind>("backend", options.backend,
                               {{"auto", BackendKind::kAuto},
                                {"gloo", BackendKind::kGloo},
                                {"nccl", BackendKind::kNccl},
                                {"mpi", BackendKind::kMpi}},
                               "What moves data; auto is nccl on cuda, gloo on cpu."),
      make_choice<LayoutKind>("layout", options.layout, {{"rows", LayoutKind::kRows}},
                              "How parameters are cut: rows, as torch.chunk does."),
      make_choice<FloatKind>("compute_dtype", options.compute_dtype, float_kinds(),
                             "Type of gathered parameters, and so of the forward."),
      make_choice<FloatKind>("reduce_dtype", options.reduce_dtype, float_kinds(),
                             "Type in which gradients travel; sums are fp32."),
      make_option("keep_last_gathered", options.keep_last_gathered,
                  "Keep the last unit whole between its forward and backward."),
      make_option("timeout_seconds", options.timeout_seconds, kTimeoutSeconds,
                  "Longest wait for another rank."),
      make_choice<Accumulation>(
          "accumulate", options.accumulate,
          {{"whole", Accumulation::kWhole}, {"shards", Accumulation::kShards}},
          "Gradients between micro-steps: whole on each rank and reduced once, or cut "
          "and reduced each time."),
      make_option("overlap", options.overlap,
                  "Communicate while computing; false waits for each collective."),
      make_option("check_calls", options.check_calls,
                  "Compare each collective over ranks before it runs.")};
}

std::vector<Option> options_of(OutputOptions& options) {
  return {make_option("path", options.path,
                      "Folder that the run writes; empty writes no files."),
          make_option("overwrite", options.overwrite,
                      "Replace a run that the folder already holds."),
          make_option("sample_bytes", options.sample_bytes, kSampleBytes,
                      "Bytes of text generated at the end; 0 is none."),
          make_option("log_every", options.log_every, kCount,
                      "Steps between lines in a log that is no terminal.")};
}

std::vector<Option> options_of(ProfileOptions& options) {
  return {make_option("path", options.path,
                      "File for a timeline of all ranks, in Chrome's trace format; "
                      "empty is none."),
          make_option("first_step", options.first_step, kCount,
                      "First step of the timeline."),
          make_option("steps", options.steps, kCount, "Steps that it shows.")};
}

}  // namespace shardopt::config
