#include "shardopt/checkpoint/checkpointer.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/save_cases.h"
#include "shardopt/checkpoint/safetensors.h"
#include "shardopt/core/error.h"
#include "support/child_process.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"
#include "support/thread_meshes.h"
#include "support/thread_ranks.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;
using distributed::Communicator;
using test::failure_of;
using test::FaultFileSystem;
using test::FileCall;

constexpr int kRanks = 2;

class CheckpointerTest : public testing::Test {
 protected:
  /// `body(checkpointer, rank)` on two ranks.
  void run(const std::function<void(Checkpointer&, int)>& body) {
    test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
      Checkpointer checkpointer(root_, ranks, options_);
      body(checkpointer, ranks.rank());
    });
  }

  void save_once() {
    run([](Checkpointer& checkpointer, int rank) {
      checkpointer.save(1, numbered_state(1, kRanks, rank));
    });
  }

  /// The names below the root, attempts as "a-".
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      std::string name = entry.path().lexically_relative(root_).string();
      const std::size_t attempt = name.find("/a-");
      if (attempt != std::string::npos) name.erase(attempt + 3, kAttemptDigits);
      names.insert(name);
    }
    return names;
  }

  fs::path data_file(int rank) const {
    const StepFolder step = list_steps(root_, posix_file_system()).back();
    return step.path / attempt_folder_name(step.attempt) / data_file_name(rank);
  }

  const test::ScratchDir scratch_{memory_folder()};
  const fs::path root_ = scratch_.path() / "root";
  FaultFileSystem files_;
  SaveOptions options_{
      .lock_wait = std::chrono::seconds(0), .block_bytes = 1 << 16, .files = &files_};
};

TEST_F(CheckpointerTest, WritesTheFilesOfTheFormatAndNoOthers) {
  save_once();

  EXPECT_EQ(names(),
            (std::set<std::string>{"LATEST", "LOCK", "step_000000000001",
                                   "step_000000000001/MANIFEST", "step_000000000001/a-",
                                   "step_000000000001/a-/rank-00000.safetensors",
                                   "step_000000000001/a-/rank-00001.safetensors"}));
  EXPECT_TRUE(test::read_file(root_ / "LATEST").starts_with("step_000000000001 "));
}

// Seven rows on two ranks: 0-3 and 4-6. The small bias goes to who has least.
TEST_F(CheckpointerTest, DataFilesAreSafetensorsWithEachRanksRows) {
  save_once();
  const SafetensorsFile first = read_safetensors(data_file(0));
  const SafetensorsFile second = read_safetensors(data_file(1));

  EXPECT_TRUE(at::equal(first.tensors.at("weight"), at::ones({4, 3})));
  EXPECT_TRUE(at::equal(second.tensors.at("weight"), at::ones({3, 3})));
  EXPECT_TRUE(at::equal(first.tensors.at("bias"), at::ones({3})));
  EXPECT_EQ(second.tensors.size(), 1u);
  EXPECT_EQ(second.metadata.at("shardopt_rank"), "1");
  EXPECT_EQ(second.metadata.at("shardopt_step"), "1");
  EXPECT_EQ(second.metadata.at("DCP_SHARDING_INFO"),
            R"({"weight":{"saved_offsets":[4,0]}})");
  EXPECT_EQ(second.metadata.at("shardopt_attempt"),
            list_steps(root_, files_).front().attempt);
}

TEST_F(CheckpointerTest, ReportsTheSameOnEveryRank) {
  options_.direct_io = false;
  run([&](Checkpointer& checkpointer, int rank) {
    const SaveReport report = checkpointer.save(5, numbered_state(1, kRanks, rank));
    EXPECT_EQ(report.step, 5);
    EXPECT_EQ(report.folder, root_ / "step_000000000005");
    EXPECT_EQ(report.bytes, static_cast<int64_t>(fs::file_size(data_file(0)) +
                                                 fs::file_size(data_file(1))));
    EXPECT_GT(report.seconds, 0.0);
    EXPECT_GT(report.stall_seconds, 0.0);
    EXPECT_FALSE(report.used_direct_io);
    EXPECT_TRUE(report.warnings.empty());
  });
}

TEST_F(CheckpointerTest, ModesFollowTheUmask) {
  const mode_t before = ::umask(027);
  save_once();
  ::umask(before);
  const auto mode = [](const fs::path& path) {
    return static_cast<unsigned>(fs::status(path).permissions());
  };

  EXPECT_EQ(mode(data_file(0)), 0640u);
  EXPECT_EQ(mode(root_ / "step_000000000001" / "MANIFEST"), 0640u);
  EXPECT_EQ(mode(data_file(0).parent_path()), 0750u);
  EXPECT_EQ(mode(root_), 0750u);
}

TEST_F(CheckpointerTest, KeepsTheConfigurationsText) {
  run([&](Checkpointer& checkpointer, int rank) {
    checkpointer.save(1, numbered_state(1, kRanks, rank), "train { steps: 10 }\n");
  });
  const auto step = open_step(root_ / "step_000000000001", files_);

  EXPECT_EQ(step.manifest.config_text, "train { steps: 10 }\n");
}

TEST_F(CheckpointerTest, SavesOnceWithoutAnObject) {
  test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
    EXPECT_EQ(save(root_, 3, numbered_state(8, kRanks, ranks.rank()), ranks).step, 3);
  });

  EXPECT_EQ(load_number(root_), 8);
}

TEST_F(CheckpointerTest, RanksWithNothingToWriteSaveToo) {
  test::run_thread_ranks(4, [&](Communicator& ranks) {
    StateTree state{.kind = "training", .values = {{"value", int64_t{1}}}};
    state.tensors.emplace("scale", StateTensor{.tensor = at::ones({})});
    save(root_, 1, state, ranks, options_);
  });

  EXPECT_TRUE(fs::exists(data_file(0)));
  EXPECT_FALSE(fs::exists(data_file(1)));
}

TEST_F(CheckpointerTest, StateWithoutTensorsIsAStep) {
  test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
    StateTree state{.kind = "training", .values = {{"value", int64_t{4}}}};
    save(root_, 1, state, ranks, options_);
    state.values.at("value") = int64_t{0};
    (void)load(root_, state, ranks);
    EXPECT_EQ(state.value<int64_t>("value"), 4);
  });
}

// Strides of every kind, and one number that stands for many.
TEST_F(CheckpointerTest, TensorsThatAreNotContiguousAreSavedByValue) {
  const at::Tensor whole = at::arange(600, at::kFloat).view({20, 30});
  const std::map<std::string, at::Tensor> tensors{
      {"transposed", whole.t()},
      {"sliced", whole.slice(1, 3, 29, 5)},
      {"expanded", at::full({1, 5}, 3.0).expand({40, 5})},
      {"conjugate", at::complex(whole, -whole).conj()}};
  const auto alone = distributed::make_thread_communicators(1);
  StateTree state{.kind = "training"};
  StateTree target{.kind = "training"};
  for (const auto& [name, tensor] : tensors) {
    const Shard shard({0, tensor.size(0)}, 0);
    state.tensors.emplace(name, StateTensor{tensor, Spread::kCut, shard});
    target.tensors.emplace(name, StateTensor{at::zeros(tensor.sizes(), tensor.dtype()),
                                             Spread::kCut, shard});
  }
  save(root_, 1, state, *alone.front(), options_);
  (void)load(root_, target, *alone.front());

  for (const auto& [name, tensor] : tensors) {
    EXPECT_TRUE(at::equal(target.tensors.at(name).tensor, tensor.resolve_conj()))
        << name;
  }
}

TEST_F(CheckpointerTest, OptionsOutOfRangeAreNamed) {
  const auto refusal = [&](const SaveOptions& options) {
    const auto alone = distributed::make_thread_communicators(1);
    try {
      const Checkpointer made(root_, *alone.front(), options);
    } catch (const c10::Error& error) {
      return std::string(error.what_without_backtrace());
    }
    return std::string("none");
  };

  for (const int64_t bytes : {0, 1, 3 << 16, 1 << 15, 1 << 27}) {
    EXPECT_EQ(refusal({.block_bytes = bytes}),
              c10::str("SaveOptions::block_bytes is ", bytes,
                       "; allowed: powers of two from 65536 to 67108864"));
  }
  for (const int threads : {0, 65}) {
    EXPECT_EQ(
        refusal({.writer_threads = threads}),
        c10::str("SaveOptions::writer_threads is ", threads, "; allowed: 1 to 64"));
  }
  EXPECT_NE(refusal({.keep = -1}), "none");
  EXPECT_NE(refusal({.keep_every = -1}), "none");
  EXPECT_NE(refusal({.lock_wait = std::chrono::seconds(-1)}), "none");
  EXPECT_NE(refusal({.host_budget_bytes = -1}), "none");
  EXPECT_FALSE(fs::exists(root_));
}

TEST_F(CheckpointerTest, RefusesNegativeSteps) {
  run([](Checkpointer& checkpointer, int rank) {
    EXPECT_THROW(checkpointer.save(-1, numbered_state(1, kRanks, rank)), c10::Error);
    EXPECT_EQ(checkpointer.save(0, numbered_state(1, kRanks, rank)).step, 0);
  });
}

}  // namespace
}  // namespace shardopt::checkpoint
