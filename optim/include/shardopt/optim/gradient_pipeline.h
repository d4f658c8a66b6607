/// The way of gradients from backward to the optimizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "shardopt/core/parameter.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/distributed/mesh.h"
#include "shardopt/optim/gradient_transform.h"
#include "shardopt/optim/loss_scale.h"
#include "shardopt/optim/transform_options.h"
#include "shardopt/optim/transform_registry.h"

namespace shardopt::optim {

class GradientAccumulator;

/// What a GradientPipeline works on beside its rules.
struct PipelineParts {
  std::vector<Parameter> parameters{};
  /// Names of those that become their gradient in an update (fp8 scales): neither
  /// unscaled nor transformed, and over a window their largest gradient counts.
  std::set<std::string> overwritten{};
  /// Null, or of mode none: gradients have no scale. It outlives the pipeline.
  const LossScale* loss_scale = nullptr;
};

/// An ordered list of transforms around gradient accumulation.
///
/// With a loss scale gradients are divided by it first, whether the rules say so or
/// not. Rules up to `accumulate` apply to each micro-step, the others to the mean over
/// the window. Per micro-step: `collect`; once that says so: `transform`, or `drop` if
/// the gradients are not finite. The caller drops the gradients before each backward.
///
/// Collective contract: as GradientTransform; `drop` on all ranks or none. One
/// collective per clip_norm and clip_global_norm, two per orthograd, for all parameters
/// together; none on one rank, and none for the other transforms.
///
/// Thread safety: none.
class GradientPipeline {
 public:
  /// The mesh outlives the pipeline. Throws ConfigError for a rule that is unknown or
  /// has a value that is not allowed (as "transform[1].alpha is 1; allowed: [0, 1)"),
  /// for `unscale` after another rule or without a loss scale, for a second `unscale`
  /// or `accumulate`, and for a transform with state before `accumulate`: it would move
  /// with windows that are dropped. Throws c10::Error if two parameters have one name,
  /// or none has an overwritten one.
  GradientPipeline(PipelineParts parts, std::span<const TransformRule> rules,
                   const distributed::Mesh& mesh,
                   const TransformRegistry& registry = make_transform_registry());
  ~GradientPipeline();

  /// One micro-step. True: an update is due, and the gradients are the mean over the
  /// window (a parameter that had one in some micro-steps only: the missing ones count
  /// as zeros; in none: it has none). False: the gradients were added to the window.
  /// Throws c10::Error, before anything changed, if a gradient has another shape, dtype
  /// or device than its rows, or is sparse.
  [[nodiscard]] bool collect();

  /// The rules after `accumulate`, or all. `known_norm` is the 2-norm over all ranks of
  /// the gradients of `transformed`, if the caller has it: a clip_global_norm that
  /// comes first takes it and needs no collective.
  void transform(std::optional<double> known_norm = std::nullopt);

  /// The window, or the update that was due, is not to be: forgets what was gathered,
  /// and moves no state. The gradients themselves are the caller's to drop.
  void drop();

  /// The parameters whose gradients are transformed: all but the overwritten.
  [[nodiscard]] const std::vector<Parameter>& transformed() const noexcept {
    return transformed_;
  }
  /// Micro-steps per update.
  [[nodiscard]] int64_t window() const noexcept;

  /// Children `accumulate`, in the middle of a window too, and the transforms that have
  /// state, by position among them and name, as "0.grokfast_ema". Tensors alias the
  /// pipeline's; copy to keep.
  [[nodiscard]] StateTree state() const;
  /// Throws CheckpointError with every difference if `tree`, whose tensors may be of
  /// device meta and whole, is not a state of this pipeline.
  void check_state(const StateTree& tree) const;
  /// Takes over what `state` returned. Throws as check_state does, and then changes
  /// nothing.
  void load_state(const StateTree& tree);

 private:
  void add_rule(const TransformRule& rule, std::size_t index,
                const distributed::Mesh& mesh, const TransformRegistry& registry);
  void check_unscale(const TransformRule& rule, std::size_t index,
                     const std::string& place) const;
  void add_accumulation(const TransformRule& rule, const std::string& place);
  void unscale();
  [[nodiscard]] std::map<std::string, GradientTransform*> stateful() const;

  PipelineParts parts_;
  std::vector<Parameter> transformed_;
  std::vector<std::unique_ptr<GradientTransform>> before_;  // accumulation
  std::unique_ptr<GradientAccumulator> accumulator_;        // null: none
  std::vector<std::unique_ptr<GradientTransform>> after_;
};

/// Throws ConfigError as the constructor of GradientPipeline does, without parameters.
void check_transforms(std::span<const TransformRule> rules, bool has_loss_scale);

}  // namespace shardopt::optim
