// Transforms that are saved and restored.
#include <functional>

#include "optim/transform_testing.h"
#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

using Rules = std::vector<TransformRule>;

const TransformRule kAccumulate{.name = "accumulate", .steps = 3};
const TransformRule kEma{.name = "grokfast_ema"};
const TransformRule kMa{.name = "grokfast_ma", .window = 3};

// A matrix, an empty shard, a vector that often has no gradient, and fp8 scales.
std::vector<Parameter> model(at::ScalarType dtype) {
  return {whole("matrix", at::arange(12, dtype).cos().view({4, 3})),
          {"empty", at::zeros({0, 3}, dtype), Shard({0, 2, 2}, 1)},
          whole("vector", at::arange(5, dtype).cos()),
          whole("scales", at::ones({2}, dtype))};
}

/// Micro-steps of a run, each a function of its number.
class Training {
 public:
  Training(const Rules& rules, at::ScalarType dtype)
      : line_(rules, model(dtype), nullptr, {"scales"}) {}

  void go(int first, int last) {
    for (int step = first; step < last; ++step) {
      std::vector<at::Tensor> grads;
      for (const Parameter& parameter : line_.parameters) {
        const at::Tensor wave =
            at::arange(parameter.rows.numel(), parameter.rows.options());
        const bool is_missing = parameter.name == "vector" && step % 3 == 1;
        grads.push_back(is_missing ? at::Tensor()
                                   : (wave * 1.3 + step).sin().view_as(parameter.rows));
      }
      line_.set(std::move(grads));
      if (!line_.pipeline.collect()) continue;
      line_.pipeline.transform();
      for (const Parameter& parameter : line_.parameters) {
        if (parameter.rows.grad().defined()) {
          parameter.rows.add_(parameter.rows.grad(), -0.1);
        }
      }
    }
  }

  void take_over(const Training& other) {
    for (std::size_t i = 0; i < line_.parameters.size(); ++i) {
      line_.parameters[i].rows.copy_(other.line_.parameters[i].rows);
    }
    line_.pipeline.load_state(deep_copy(other.line_.pipeline.state()));
    expect_same_state(line_.pipeline.state(), other.line_.pipeline.state());
  }

  void expect_same(const Training& other) const {
    for (std::size_t i = 0; i < line_.parameters.size(); ++i) {
      expect_equal(line_.parameters[i].rows, other.line_.parameters[i].rows);
    }
    expect_same_state(line_.pipeline.state(), other.line_.pipeline.state());
  }

 private:
  Line line_;
};

TEST(PipelineStateTest, SaveLoadContinueEqualsNeverStopping) {
  const TransformRule clip{.name = "clip_global_norm", .max_norm = 1.0};
  const std::vector<Rules> lists = {
      {{.name = "clip_norm", .max_norm = 1.0}},
      {clip},
      {{.name = "clip_value", .value = 0.5}},
      {{.name = "orthograd"}},
      {kEma},
      {kMa},
      {kAccumulate},
      {clip, kAccumulate, kMa, {.name = "orthograd"}, kEma}};
  for (const Rules& rules : lists) {
    for (const auto dtype : {at::kFloat, at::kDouble}) {
      for (const int stop : {6, 7, 8}) {  // 7 and 8: in the middle of a window
        Training straight(rules, dtype);
        straight.go(0, 14);
        Training first(rules, dtype);
        first.go(0, stop);
        Training second(rules, dtype);
        second.take_over(first);
        second.go(stop, 14);
        second.expect_same(straight);
      }
    }
  }
}

TEST(PipelineStateTest, HoldsEveryParameterBeforeTheFirstStep) {
  Line line({kAccumulate, kMa}, model(at::kFloat));
  const StateTree tree = line.pipeline.state();
  EXPECT_EQ(tree.kind, "transforms");
  EXPECT_EQ(tree.child("accumulate").value<int64_t>("position"), 0);
  const StateTensor& gathered =
      tree.child("accumulate").child("matrix").tensors.at("gathered");
  expect_equal(gathered.tensor, at::zeros({4, 3}));
  const StateTree& empty = tree.child("0.grokfast_ma").child("empty");
  EXPECT_EQ(empty.value<int64_t>("step"), 0);
  const StateTensor& queue = empty.tensors.at("queue");
  EXPECT_EQ(queue.tensor.sizes(), at::IntArrayRef({0, 3, 3}));
  EXPECT_EQ(queue.spread, Spread::kCut);
  EXPECT_EQ(queue.shard, Shard({0, 2, 2}, 1));
  EXPECT_EQ(whole_shape(queue), (std::vector<int64_t>{2, 3, 3}));
}

TEST(PipelineStateTest, ClippingMayComeAndGoBetweenRuns) {
  const TransformRule clip{.name = "clip_norm", .max_norm = 1.0};
  Line saved({kEma}, {zeros("w", 1)});
  saved.pass(numbers({3.0}));
  Line restored({clip, kEma}, {zeros("w", 1)});
  restored.pipeline.load_state(deep_copy(saved.pipeline.state()));
  expect_same_state(restored.pipeline.state(), saved.pipeline.state());
}

std::string complaint(const Rules& here, const StateTree& tree) {
  Line line(here, {zeros("w", 1)});
  const StateTree before = deep_copy(line.pipeline.state());
  const std::string text =
      message_of<CheckpointError>([&] { line.pipeline.load_state(tree); });
  expect_same_state(line.pipeline.state(), before);
  return text;
}

StateTree state_of(const Rules& rules) {
  return Line(rules, {zeros("w", 1)}).pipeline.state();
}

TEST(PipelineStateTest, StateOfOtherTransformsIsRefused) {
  expect_contains(complaint({kEma}, state_of({kMa})),
                  "part '0.grokfast_ema' is missing");
  expect_contains(complaint({kEma}, state_of({kEma, kMa})),
                  "part '1.grokfast_ma' is unknown");
  expect_contains(complaint({kEma}, state_of({kAccumulate, kEma})),
                  "part 'accumulate' is unknown");
  expect_contains(complaint({kEma}, {.kind = "adamw"}), "kind is 'adamw'");
  expect_contains(complaint({kMa}, state_of({{.name = "grokfast_ma", .window = 4}})),
                  "slot 'queue' is Double[1, 4], here Double[1, 3]");
  Line other({kEma}, {zeros("v", 1)});
  expect_contains(complaint({kEma}, other.pipeline.state()), "part 'w' is missing");
}

TEST(PipelineStateTest, PositionBehindTheEndOfTheWindowIsRefused) {
  StateTree tree = state_of({kAccumulate});
  for (const int64_t position : {int64_t{3}, int64_t{-1}}) {
    tree.children.at("accumulate").values.at("position") = position;
    expect_contains(complaint({kAccumulate}, tree),
                    "after " + std::to_string(position) +
                        " micro-steps of a window; here windows have 3");
  }
}

TEST(GradientTransformTest, StateOfAnotherKindIsRefusedAlone) {
  const distributed::Mesh mesh = distributed::make_single_mesh();
  const auto make = [&](const TransformRule& rule) {
    return make_transform_registry().create(
        rule.name, {rule, "transform[0]", {zeros("w", 1)}}, mesh);
  };
  const auto clip = make({.name = "clip_value", .value = 1.0});
  EXPECT_FALSE(clip->has_state());
  EXPECT_TRUE(clip->state().children.empty());
  EXPECT_NO_THROW(clip->load_state(clip->state()));
  const auto ema = make(kEma);
  expect_contains(message_of<CheckpointError>([&] { ema->load_state(clip->state()); }),
                  "not of this transform 'grokfast_ema': kind is 'clip_value', here "
                  "'grokfast_ema'");
}

}  // namespace
}  // namespace shardopt::optim
