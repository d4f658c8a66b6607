// What load promises on one rank; load_ranks_test has several, reshard_test cuts,
// load_fault_test damage.
#include "shardopt/checkpoint/load.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/save_cases.h"
#include "checkpoint/state_cases.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "support/scratch_dir.h"

namespace shardopt::checkpoint {
namespace {

using distributed::Communicator;
using test::failure_of;

using Texts = std::vector<std::string>;

const SaveOptions kSmallBlocks{.block_bytes = 1 << 16, .direct_io = false};

StateTree one_tensor(at::Tensor tensor) {
  StateTree model{.kind = "model"};
  model.tensors.emplace("w", StateTensor{.tensor = std::move(tensor)});
  StateTree root{.kind = "training"};
  root.children.emplace("model", std::move(model));
  return root;
}

const at::Tensor& tensor_of(const StateTree& root) {
  return root.child("model").tensors.at("w").tensor;
}

/// One rank, and a root.
class LoadTest : public testing::Test {
 protected:
  std::filesystem::path root() const { return scratch_.path() / "root"; }

  void save_step(int64_t step, const StateTree& state, const std::string& text = "") {
    Checkpointer(root(), *world_, kSmallBlocks).save(step, state, text);
  }
  /// What a load of `saved`, as the newest step, makes of `here`.
  at::Tensor loaded(const at::Tensor& saved, const at::Tensor& here,
                    const LoadOptions& options = {}) {
    save_step(1, one_tensor(saved));
    StateTree state = one_tensor(here);
    (void)load(root(), state, *world_, options);
    return here;
  }

  const test::ScratchDir scratch_{memory_folder()};
  const std::unique_ptr<Communicator> world_ = distributed::make_single_communicator();
};

TEST_F(LoadTest, ReportsWhatItHasRead) {
  save_step(30, numbered_state(3, 1, 0), "a: 1");
  save_step(40, numbered_state(4, 1, 0), "a: 2");
  StateTree state = numbered_state(0, 1, 0);

  const LoadReport report = load(root(), state, *world_);

  EXPECT_EQ(report.step, 40);
  EXPECT_EQ(report.folder, root() / "step_000000000040");
  EXPECT_EQ(report.config_text, "a: 2");
  EXPECT_EQ(report.bytes, (7 * 3 + 3) * 4);
  EXPECT_EQ(report.warnings, Texts{});
  EXPECT_EQ(report.skipped, Texts{});
  EXPECT_EQ(difference(state, numbered_state(4, 1, 0)), "");
}

TEST_F(LoadTest, LoadsACopyOfAStepUnderAnyName) {
  save_step(30, numbered_state(3, 1, 0));
  save_step(40, numbered_state(4, 1, 0));
  const auto copy = scratch_.path() / "the best";
  std::filesystem::copy(root() / "step_000000000030", copy,
                        std::filesystem::copy_options::recursive);
  StateTree state = numbered_state(0, 1, 0);

  const LoadReport report = load(copy, state, *world_);

  EXPECT_EQ(report.step, 30);
  EXPECT_EQ(report.folder, copy);
  EXPECT_EQ(difference(state, numbered_state(3, 1, 0)), "");
}

TEST_F(LoadTest, LoadsThroughALinkToTheRoot) {
  save_step(40, numbered_state(4, 1, 0));
  std::filesystem::create_directory_symlink(root(), scratch_.path() / "link");
  StateTree state = numbered_state(0, 1, 0);

  EXPECT_EQ(load(scratch_.path() / "link", state, *world_).step, 40);
}

TEST_F(LoadTest, AsksTheDestinationWithTheSavedTreeInWholeShapes) {
  const StateTree saved = make_state(1, 0, 0, 0);
  save_step(1, saved);
  const auto destination = [&](const StateTree& told) {
    const StateTensor& weight = told.child("model").tensors.at("large.weight");
    EXPECT_TRUE(weight.tensor.is_meta());
    EXPECT_EQ(weight.tensor.sizes(), (at::IntArrayRef{301, 257}));
    EXPECT_EQ(weight.spread, Spread::kCut);
    EXPECT_EQ(weight.aliases, Texts{"head.weight"});
    const StateTree& adamw = told.child("optimizer").child("adamw");
    EXPECT_EQ(adamw.kind, "adamw");
    EXPECT_EQ(adamw.version, 2U);
    EXPECT_EQ(adamw.value<int64_t>("step"), -3);
    StateTree here = make_state(1, 0, 0, 0);
    spoil(here);
    return here;
  };
  StateTree state;

  (void)load(root(), destination, state, *world_);

  EXPECT_EQ(difference(state, saved), "");
}

TEST_F(LoadTest, WritesIntoTheDestinationsOwnMemory) {
  save_step(1, one_tensor(at::arange(24.0).view({6, 4})));
  StateTree state = one_tensor(at::zeros({6, 4}));
  const at::Tensor before = tensor_of(state);

  (void)load(root(), state, *world_);

  EXPECT_TRUE(tensor_of(state).is_same(before));
  EXPECT_TRUE(at::equal(before, at::arange(24.0).view({6, 4})));
}

TEST_F(LoadTest, FillsLeavesThatRequireGradients) {
  const at::Tensor here = at::zeros({6, 4}).requires_grad_();

  (void)loaded(at::ones({6, 4}), here);

  EXPECT_TRUE(here.requires_grad() && here.is_leaf());
  EXPECT_TRUE(at::equal(here, at::ones({6, 4})));
}

// 300 x 200 numbers are four blocks.
TEST_F(LoadTest, FillsDestinationsOfAnyStrides) {
  const at::Tensor saved = at::arange(60000.0).view({300, 200});
  const at::Tensor holder = at::zeros({600, 400});
  const at::Tensor here = holder.slice(0, 0, 600, 2).slice(1, 1, 400, 2);  // [300, 200]

  EXPECT_TRUE(at::equal(loaded(saved, at::zeros({200, 300}).t()), saved));
  EXPECT_TRUE(at::equal(loaded(saved, here), saved));
  EXPECT_EQ(holder.count_nonzero().item<int64_t>(), 59999);
}

TEST_F(LoadTest, CastsWhereItIsAllowed) {
  const at::Tensor saved = at::arange(60000, at::kFloat).view({300, 200});
  const at::Tensor rounded = saved.to(at::kBFloat16);

  EXPECT_TRUE(at::equal(
      loaded(saved, at::zeros({300, 200}, at::kBFloat16), {.cast = {"f32:bf16"}}),
      rounded));
  EXPECT_TRUE(at::equal(
      loaded(rounded, at::zeros({300, 200}, at::kDouble), {.cast = {"bf16:f64"}}),
      rounded.to(at::kDouble)));
}

TEST_F(LoadTest, RefusesDestinationsThatShareMemory) {
  EXPECT_THROW((void)loaded(at::ones({6, 4}), at::zeros({1, 4}).expand({6, 4})),
               c10::Error);
}

TEST_F(LoadTest, RefusesDestinationsThatAreNoState) {
  save_step(1, numbered_state(4, 1, 0));
  StateTree undefined = numbered_state(0, 1, 0);
  undefined.children.at("model").tensors.at("bias").tensor = at::Tensor();
  StateTree unlike_shard = numbered_state(0, 1, 0);
  unlike_shard.children.at("model").tensors.at("weight").tensor = at::zeros({6, 3});
  StateTree without_shard = numbered_state(0, 1, 0);
  without_shard.children.at("model").tensors.at("weight").shard.reset();

  for (StateTree* state : {&undefined, &unlike_shard, &without_shard}) {
    const std::string text = failure_of([&] { (void)load(root(), *state, *world_); });
    EXPECT_TRUE(text.starts_with("mismatch: state 'model/")) << text;
  }
}

TEST_F(LoadTest, RefusalChangesNothing) {
  save_step(1, numbered_state(4, 1, 0));
  StateTree state = numbered_state(9, 1, 0);
  state.children.at("model").tensors.at("bias").tensor = at::full({4}, 9.0);
  const at::Tensor weight = state.child("model").tensors.at("weight").tensor;

  const std::string text = failure_of([&] { (void)load(root(), state, *world_); });

  EXPECT_TRUE(text.starts_with("mismatch: ")) << text;
  EXPECT_NE(text.find("model/bias: tensor is F32 [3], here F32 [4]"), std::string::npos)
      << text;
  EXPECT_EQ(state.value<int64_t>("value"), 9);
  EXPECT_TRUE(at::equal(weight, at::full({7, 3}, 9.0)));
}

TEST_F(LoadTest, ListsTwentyDifferencesAndCountsTheRest) {
  save_step(1, numbered_state(4, 1, 0));
  StateTree state = numbered_state(0, 1, 0);
  for (int i = 0; i < 23; ++i) state.values[c10::str("v", i)] = 1.0;

  const std::string text = failure_of([&] { (void)load(root(), state, *world_); });

  EXPECT_TRUE(text.ends_with("; and 3 more")) << text;
  EXPECT_EQ(std::ranges::count(text, ';'), 20) << text;
}

// The newest step does not fit; older ones would not be what was asked for.
TEST_F(LoadTest, MismatchIsNoDamage) {
  save_step(1, one_tensor(at::ones({4})));
  save_step(2, one_tensor(at::ones({5})));
  StateTree state = one_tensor(at::zeros({4}));

  const std::string text = failure_of([&] { (void)load(root(), state, *world_); });

  EXPECT_TRUE(text.starts_with("mismatch: ")) << text;
}

TEST_F(LoadTest, LeavesWhatIsIgnoredAsItIs) {
  save_step(1, numbered_state(4, 1, 0));
  StateTree state = numbered_state(9, 1, 0);

  const LoadReport report =
      load(root(), state, *world_, {.ignore = {"model/bias", "value"}});

  EXPECT_EQ(report.skipped, (Texts{"value", "model/bias"}));
  EXPECT_EQ(report.bytes, 7 * 3 * 4);
  EXPECT_EQ(state.value<int64_t>("value"), 9);
  const auto& tensors = state.child("model").tensors;
  EXPECT_TRUE(at::equal(tensors.at("bias").tensor, at::full({3}, 9.0)));
  EXPECT_TRUE(at::equal(tensors.at("weight").tensor, at::full({7, 3}, 4.0)));
}

TEST_F(LoadTest, RefusesOptionsOutOfRange) {
  save_step(1, numbered_state(4, 1, 0));
  StateTree state = numbered_state(0, 1, 0);

  EXPECT_THROW((void)load(root(), state, *world_, {.threads = 0}), c10::Error);
  EXPECT_THROW((void)load(root(), state, *world_, {.threads = 65}), c10::Error);
  EXPECT_THROW((void)load(root(), state, *world_, {.max_fallback = -1}), c10::Error);
}

TEST_F(LoadTest, AnyNumberOfThreadsReadsTheSame) {
  const StateTree saved = make_state(1, 0, 0, 0);
  save_step(1, saved);
  for (const int threads : {1, 3, 64}) {
    StateTree state = make_state(1, 0, 0, 0);
    spoil(state);
    (void)load(root(), state, *world_, {.threads = threads});
    EXPECT_EQ(difference(state, saved), "") << threads;
  }
}

}  // namespace
}  // namespace shardopt::checkpoint
