// Gradients cut over ranks become what they become whole.
#include <algorithm>
#include <map>
#include <random>

#include "optim/transform_testing.h"
#include "shardopt/optim/weight_average.h"
#include "support/thread_meshes.h"

namespace shardopt::optim {
namespace {

constexpr int kSteps = 20;

using Rules = std::vector<TransformRule>;
using Cuts = std::vector<std::vector<int64_t>>;  // by parameter, offsets [ranks + 1]

// Matrices, a vector, a stack, a tensor of one entry, and one of one row.
const std::vector<std::vector<int64_t>>& shapes() {
  static const std::vector<std::vector<int64_t>> table = {{7, 16}, {13},   {4, 2, 3},
                                                          {1},     {1, 5}, {3, 1}};
  return table;
}

const std::map<std::string, Rules>& lists() {
  const TransformRule ema{.name = "grokfast_ema"};
  static const std::map<std::string, Rules> table = {
      {"clip_norm", {{.name = "clip_norm", .max_norm = 0.7}}},
      {"clip_global_norm", {{.name = "clip_global_norm", .max_norm = 0.7}}},
      {"torch", {{.name = "clip_global_norm", .max_norm = 0.7, .form = "torch"}}},
      {"clip_value", {{.name = "clip_value", .value = 0.7}}},
      {"grokfast_ema", {ema}},
      {"grokfast_ma", {{.name = "grokfast_ma", .window = 6}}},
      {"orthograd", {{.name = "orthograd"}}},
      {"accumulate", {{.name = "accumulate", .steps = 3}}},
      {"all",
       {{.name = "clip_norm", .max_norm = 0.9},
        {.name = "accumulate", .steps = 2},
        ema,
        {.name = "orthograd"},
        {.name = "clip_global_norm", .max_norm = 0.7}}}};
  return table;
}

// Collectives of a step on more than one rank.
const std::map<std::string, int64_t>& collectives() {
  static const std::map<std::string, int64_t> table = {
      {"clip_norm", 1},  {"clip_global_norm", 1}, {"torch", 1},
      {"clip_value", 0}, {"grokfast_ema", 0},     {"grokfast_ma", 0},
      {"orthograd", 2},  {"accumulate", 0},       {"all", 5}};  // 2 micro-steps
  return table;
}

at::Tensor numbers_of(std::size_t parameter, double frequency, double phase,
                      at::ScalarType dtype) {
  const auto& sizes = shapes()[parameter];
  const at::Tensor i = at::arange(c10::multiply_integers(sizes), at::kDouble);
  return (i * frequency + phase + static_cast<double>(parameter))
      .sin()
      .view(sizes)
      .to(dtype);
}

Cuts random_cuts(int ranks, unsigned seed) {
  std::mt19937 random(seed);
  Cuts cuts;
  for (const auto& sizes : shapes()) {
    std::uniform_int_distribution<int64_t> row(0, sizes[0]);
    std::vector<int64_t> offsets = {0, sizes[0]};
    for (int i = 1; i < ranks; ++i) offsets.push_back(row(random));
    std::ranges::sort(offsets);
    cuts.push_back(offsets);
  }
  return cuts;
}

/// The weights' rows of one rank, trained by plain descent.
struct Trainee {
  Trainee(const Rules& rules, const Cuts& cuts, const distributed::Mesh& mesh,
          at::ScalarType dtype)
      : parameters(make_parameters(cuts, mesh.shard().rank(), dtype)),
        pipeline({.parameters = parameters}, rules, mesh),
        average(parameters,
                {.mode = AverageMode::kEma, .momentum = 0.9, .overwrite_every = 4}) {}

  static at::Tensor mine(const at::Tensor& whole, const Shard& shard) {
    return whole.narrow(0, shard.local_begin(), shard.local_rows()).clone();
  }

  static std::vector<Parameter> make_parameters(const Cuts& cuts, int rank,
                                                at::ScalarType dtype) {
    std::vector<Parameter> result;
    for (std::size_t p = 0; p < shapes().size(); ++p) {
      const Shard shard(cuts[p], rank);
      result.push_back({"p" + std::to_string(p),
                        mine(numbers_of(p, 0.9, 0.0, dtype), shard), shard});
    }
    return result;
  }

  // One update, of as many micro-steps as it takes.
  void update(int number) {
    do {
      for (std::size_t p = 0; p < parameters.size(); ++p) {
        const at::Tensor& rows = parameters[p].rows;
        rows.mutable_grad() = mine(
            numbers_of(p, 1.3, 0.7 * number + 0.1 * micro_steps, rows.scalar_type()),
            parameters[p].shard);
      }
      ++micro_steps;
    } while (!pipeline.collect());
    pipeline.transform();
    for (const Parameter& each : parameters) each.rows.add_(each.rows.grad(), -0.1);
    average.update();
  }

  std::vector<Parameter> parameters;
  GradientPipeline pipeline;
  WeightAverage average;
  int micro_steps = 0;
};

// Every slot is cut as its parameter is, so that a checkpoint can cut it anew.
void expect_cut_of(const StateTree& whole, const StateTree& mine, double tolerance) {
  EXPECT_EQ(whole.values, mine.values);
  for (const auto& [name, slot] : whole.tensors) {
    const StateTensor& cut = mine.tensors.at(name);
    ASSERT_EQ(cut.spread, Spread::kCut);
    EXPECT_EQ(whole_shape(cut), slot.tensor.sizes().vec());
    if (cut.tensor.numel() == 0) continue;
    expect_near(cut.tensor, Trainee::mine(slot.tensor, *cut.shard), tolerance);
  }
  for (const auto& [name, child] : whole.children) {
    expect_cut_of(child, mine.child(name), tolerance);
  }
}

void compare_with_one_rank(const Rules& rules, const test::MeshSize& size,
                           at::ScalarType dtype, double tolerance) {
  const distributed::Mesh single = distributed::make_single_mesh();
  Trainee alone(rules, random_cuts(1, 0), single, dtype);
  for (int i = 0; i < kSteps; ++i) alone.update(i);
  const Cuts cuts = random_cuts(size.shard, size.shard);
  test::run_mesh_ranks(size, [&](const distributed::Mesh& mesh) {
    Trainee trainee(rules, cuts, mesh, dtype);
    for (int i = 0; i < kSteps; ++i) trainee.update(i);
    for (std::size_t p = 0; p < shapes().size(); ++p) {
      const Shard& shard = trainee.parameters[p].shard;
      if (shard.local_rows() == 0) continue;
      const at::Tensor expected = Trainee::mine(alone.parameters[p].rows, shard);
      expect_near(trainee.parameters[p].rows, expected, tolerance);
    }
    expect_cut_of(alone.pipeline.state(), trainee.pipeline.state(), tolerance);
    expect_cut_of(alone.average.state(), trainee.average.state(), tolerance);
  });
}

class ShardedTransformTest : public testing::TestWithParam<std::string> {};

TEST_P(ShardedTransformTest, AnyCutTrainsAsOneRankDoes) {
  for (const int ranks : {2, 3, 4}) {
    SCOPED_TRACE(std::to_string(ranks) + " ranks");
    const Rules& rules = lists().at(GetParam());
    compare_with_one_rank(rules, {.shard = ranks}, at::kDouble, 1e-12);
    compare_with_one_rank(rules, {.shard = ranks}, at::kFloat, 1e-6);
  }
}

TEST_P(ShardedTransformTest, CopiesOfTheModelTrainAsOneDoes) {
  compare_with_one_rank(lists().at(GetParam()), {.shard = 2, .replicate = 2},
                        at::kDouble, 1e-12);
}

TEST_P(ShardedTransformTest, AsksRanksAsOftenAsItSaysAndOneRankNever) {
  const Rules& rules = lists().at(GetParam());
  test::run_mesh_ranks(3, [&](const distributed::Mesh& mesh) {
    Trainee trainee(rules, random_cuts(3, 5), mesh, at::kDouble);
    mesh.shard().clear_ledger();
    trainee.update(0);
    EXPECT_EQ(mesh.shard().ledger().total().calls, collectives().at(GetParam()));
  });
  const distributed::Mesh single = distributed::make_single_mesh();
  Trainee alone(rules, random_cuts(1, 0), single, at::kDouble);
  alone.update(0);
  EXPECT_EQ(single.shard().ledger().total().calls, 0);
}

std::vector<std::string> list_names() {
  std::vector<std::string> names;
  for (const auto& [name, rules] : lists()) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Lists, ShardedTransformTest, testing::ValuesIn(list_names()),
                         [](const auto& list) { return list.param; });

TEST(ShardedPipelineTest, KnownNormSavesTheCollective) {
  test::run_mesh_ranks(2, [](const distributed::Mesh& mesh) {
    const Rules& rules = lists().at("clip_global_norm");
    Trainee trainee(rules, random_cuts(2, 5), mesh, at::kDouble);
    for (const Parameter& each : trainee.parameters) {
      each.rows.mutable_grad() = at::ones_like(each.rows);
    }
    mesh.shard().clear_ledger();
    ASSERT_TRUE(trainee.pipeline.collect());
    trainee.pipeline.transform(7.0);
    EXPECT_EQ(mesh.shard().ledger().total().calls, 0);
    for (const Parameter& each : trainee.parameters) {
      EXPECT_TRUE(at::allclose(each.rows.grad(), at::full_like(each.rows, 0.1)));
    }
  });
}

}  // namespace
}  // namespace shardopt::optim
