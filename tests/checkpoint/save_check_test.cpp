// What a save refuses before it has made anything.
#include <cerrno>
#include <filesystem>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/save_cases.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"
#include "support/thread_meshes.h"
#include "support/thread_ranks.h"

namespace shardopt::checkpoint {
namespace {

using distributed::Communicator;
using test::failure_of;
using test::FaultFileSystem;
using test::FileCall;

constexpr int kRanks = 2;
const std::string kDiffer = "mismatch: rank 1: ranks save different states: ";

class SaveCheckTest : public testing::Test {
 protected:
  /// What all of two ranks say when rank 1's state was changed by `change`; the next
  /// save, unchanged, works.
  std::string failure_with(const std::function<void(StateTree&)>& change,
                           const std::string& config_text = "") {
    std::string failures[kRanks];
    test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
      Checkpointer checkpointer(root(), ranks, kOptions);
      StateTree state = numbered_state(1, kRanks, ranks.rank());
      if (ranks.rank() == 1) change(state);
      failures[ranks.rank()] = failure_of(
          [&] { checkpointer.save(1, state, ranks.rank() == 1 ? config_text : ""); });
      if (ranks.rank() == 0) {
        EXPECT_EQ(garbage_in(root()), "");
      }
      ranks.barrier()->wait();
      checkpointer.save(2, numbered_state(2, kRanks, ranks.rank()));
    });
    EXPECT_EQ(failures[0], failures[1]);
    EXPECT_EQ(committed_steps(root()), std::vector<std::string>{"2"});
    return failures[0];
  }

  std::filesystem::path root() const { return scratch_.path() / "root"; }

  const SaveOptions kOptions{.keep = 1, .block_bytes = 1 << 16};

 private:
  const test::ScratchDir scratch_{memory_folder()};
};

TEST_F(SaveCheckTest, ValuesThatDifferAreNamed) {
  EXPECT_EQ(failure_with([](StateTree& state) { state.values["value"] = int64_t{7}; }),
            kDiffer + "'value = 7 of type 1', on rank 0 'value = 1 of type 1'");
}

TEST_F(SaveCheckTest, TensorThatOneRankLacksIsNamed) {
  const std::string failure = failure_with(
      [](StateTree& state) { state.children.at("model").tensors.erase("weight"); });

  EXPECT_TRUE(failure.starts_with(kDiffer)) << failure;
  EXPECT_NE(failure.find("on rank 0 'tensor weight: F32, "), std::string::npos)
      << failure;
}

TEST_F(SaveCheckTest, ShapesThatDifferAreNamed) {
  const std::string failure = failure_with([](StateTree& state) {
    state.children.at("model").tensors.at("bias").tensor = at::ones({4});
  });

  EXPECT_TRUE(failure.starts_with(kDiffer + "'tensor bias: F32, ")) << failure;
  EXPECT_NE(failure.find("shape 4, "), std::string::npos) << failure;
}

TEST_F(SaveCheckTest, ConfigurationsThatDifferAreNamed) {
  EXPECT_EQ(failure_with([](StateTree&) {}, "lr: 2"),
            kDiffer + "'lr: 2' is not on rank 0");
}

TEST_F(SaveCheckTest, ConfigurationThatIsNoUtf8IsRefused) {
  EXPECT_EQ(failure_with([](StateTree&) {}, "\xff"),
            "mismatch: rank 1: the configuration is no UTF-8");
}

TEST_F(SaveCheckTest, StateThatCannotBeStoredIsNamed) {
  const std::string failure = failure_with([](StateTree& state) {
    state.children.at("model").tensors.at("bias").tensor = at::Tensor();
  });

  EXPECT_EQ(failure, "mismatch: rank 1: state 'model/bias': the tensor is undefined");
}

TEST_F(SaveCheckTest, ReplicaThatDiffersByOneBitIsNamedWithItsRank) {
  const std::string failure = failure_with([](StateTree& state) {
    at::Tensor& bias = state.children.at("model").tensors.at("bias").tensor;
    bias.view(at::kInt)[1].bitwise_xor_(1);
  });

  EXPECT_EQ(failure,
            "mismatch: ranks that should hold the same rows of 'model/bias' do not: "
            "rank 1 (from rank 0)");
}

TEST_F(SaveCheckTest, CopyWhoseRowsDifferByOneBitIsNamedWithItsRank) {
  test::run_mesh_ranks(
      {.shard = 2, .replicate = 2}, [&](const distributed::Mesh& mesh) {
        StateTree state = numbered_state(1, 2, mesh.shard().rank());
        if (mesh.rank() == 3) {
          at::Tensor& weight = state.children.at("model").tensors.at("weight").tensor;
          weight.view(at::kInt)[2][1].bitwise_xor_(1);
        }
        EXPECT_EQ(
            failure_of([&] { save(root(), 1, state, mesh, kOptions); }),
            "mismatch: ranks that should hold the same rows of 'model/weight' do not: "
            "rank 3 (from rank 1)");
      });
}

TEST_F(SaveCheckTest, BuffersThatDifferAreRankZerosWithAWarning) {
  test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
    StateTree state{.kind = "training"};
    state.tensors.emplace("mean",
                          StateTensor{at::full({3}, ranks.rank()), Spread::kFirstRank});
    const SaveReport report = save(root(), 1, state, ranks, kOptions);
    EXPECT_EQ(report.warnings,
              std::vector<std::string>{
                  "'mean' differs between ranks: that of rank 0 is saved"});
    state.tensors.at("mean").tensor =
        at::ones({3}, state.tensors.at("mean").tensor.dtype());
    (void)load(root(), state, ranks);
    EXPECT_EQ(state.tensors.at("mean").tensor.sum().item<double>(), 0.0);
  });
}

// A view of one byte, 2^50 times: no disk has that much.
TEST_F(SaveCheckTest, DiskThatIsTooSmallIsSaidWithBytesNeededAndFree) {
  const auto alone = distributed::make_thread_communicators(1);
  StateTree state{.kind = "training"};
  state.tensors.emplace(
      "huge",
      StateTensor{.tensor = at::zeros({1}, at::kByte).expand({int64_t{1} << 50})});
  const std::string failure =
      failure_of([&] { save(root(), 1, state, *alone.front(), kOptions); });

  EXPECT_TRUE(
      failure.starts_with("storage: " + root().string() + ": a step needs 11484"))
      << failure;
  EXPECT_NE(failure.find(" of data), the disk has "), std::string::npos) << failure;
  EXPECT_TRUE(failure.ends_with(" free")) << failure;
  EXPECT_EQ(committed_steps(root()).size(), 0u);
  EXPECT_EQ(garbage_in(root()), "");
}

// Fault 18: rank 0 makes the folder, all say why it cannot.
TEST_F(SaveCheckTest, StepFolderWithoutPermissionFailsEveryRank) {
  FaultFileSystem files;
  test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
    SaveOptions options = kOptions;
    options.files = &files;
    Checkpointer checkpointer(root(), ranks, options);
    checkpointer.save(1, numbered_state(1, kRanks, ranks.rank()));
    if (ranks.rank() == 0) files.set_fault({.kind = FileCall::kMkdir, .error = EACCES});
    const auto save = [&] {
      checkpointer.save(2, numbered_state(2, kRanks, ranks.rank()));
    };
    EXPECT_EQ(failure_of(save), "storage: rank 0: " + root().string() +
                                    "/step_000000000002: cannot make the folder: "
                                    "Permission denied");
    EXPECT_EQ(failure_of(save), "no failure");
  });
  EXPECT_EQ(load_number(root()), 2);
}

}  // namespace
}  // namespace shardopt::checkpoint
