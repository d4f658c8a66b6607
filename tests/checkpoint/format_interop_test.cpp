// Our checkpoints in Python: by a reader made from FORMAT.md, by safetensors, by torch.
#include <cstdlib>
#include <filesystem>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors_bytes.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/distributed/layout.h"
#include "support/scratch_dir.h"
#include "support/thread_ranks.h"

namespace shardopt::checkpoint {
namespace {

constexpr int kRanks = 3;

StateTensor cut(const at::Tensor& whole, int rank) {
  const Shard shard(distributed::chunk_offsets(whole.size(0), kRanks), rank);
  return {whole.narrow(0, shard.local_begin(), shard.local_rows()), Spread::kCut,
          shard};
}

/// "w" has two blocks on each of the first two ranks, and none of its 2 rows is left
/// for the third.
StateTree state_of(int rank) {
  StateTree model{.kind = "model"};
  model.tensors.emplace("w",
                        cut(at::arange(2 * 20'000, at::kFloat).view({2, -1}), rank));
  model.tensors.at("w").aliases = {"tied"};
  model.tensors.emplace("scale", StateTensor{at::scalar_tensor(0.5, at::kDouble)});
  StateTree moments{.kind = "parameter", .values = {{"step", int64_t{-3}}}};
  moments.tensors.emplace("m", cut(at::arange(5, at::kBFloat16), rank));
  StateTree optimizer{.kind = "lion",
                      .values = {{"lr", 0.1},
                                 {"list", std::vector<double>{1.5, -0.0}},
                                 {"flag", true},
                                 {"most", UINT64_MAX},
                                 {"name", std::string("\xc3\xa4")}}};
  optimizer.children.emplace("w", std::move(moments));
  StateTree state{.kind = "job", .version = 2};
  state.tensors.emplace(
      "own", StateTensor{at::full({rank}, rank, at::kByte), Spread::kPerRank});
  state.children.emplace("model", std::move(model));
  state.children.emplace("optimizer", std::move(optimizer));
  return state;
}

class FormatInteropTest : public testing::Test {
 protected:
  void SetUp() override {
    test::run_thread_ranks(kRanks, [this](distributed::Communicator& ranks) {
      save(scratch_.path() / "root", 12, state_of(ranks.rank()), ranks,
           {.block_bytes = 1 << 16});
    });
  }

  /// Runs Python with `step` and `attempt`, the paths of the folders.
  int run_python(const std::string& body) const {
    const std::filesystem::path script = scratch_.path() / "script.py";
    const auto step = scratch_.path() / "root" / "step_000000000012";
    test::write_bytes(
        script, c10::str("import glob, sys\nsys.path.insert(0, '", SHARDOPT_TESTS_DIR,
                         "')\nstep = '", step.string(),
                         "'\nattempt, = glob.glob(step + ", "'/a-*')\n", body));
    return std::system(
        c10::str("'", SHARDOPT_PYTHON, "' -B '", script.string(), "'").c_str());
  }

 private:
  const test::ScratchDir scratch_;
};

TEST_F(FormatInteropTest, AReaderMadeFromTheFormatsDescriptionReadsEverything) {
  EXPECT_EQ(run_python(R"(
import struct
from format_reader import read_checkpoint
tensors, state = read_checkpoint(step)
floats = struct.pack("<40000f", *range(40000))
assert tensors == {
    "optimizer/w/m": ("BF16", [5], bytes([0, 0, 0x80, 0x3F, 0, 0x40, 0x40, 0x40, 0x80, 0x40])),
    "own@00000": ("U8", [0], b""),
    "own@00001": ("U8", [1], b"\1"),
    "own@00002": ("U8", [2], b"\2\2"),
    "scale": ("F64", [], struct.pack("<d", 0.5)),
    "w": ("F32", [2, 20000], floats),
}, tensors.keys()
assert (state.kind, state.version) == ("job", 2)
assert state.tensors == {"own": ("own", "PER_RANK")}
model, optimizer = state.children["model"], state.children["optimizer"]
assert model.tensors == {"scale": ("scale", "REPLICATED"), "w": ("w", "CUT")}
values = optimizer.values
assert values == {"lr": 0.1, "list": [1.5, 0.0], "flag": True, "most": 2**64 - 1, "name": "ä"}
assert struct.pack("<d", values["list"][1])[7] == 0x80
assert optimizer.children["w"].values == {"step": -3}
assert optimizer.children["w"].tensors == {"m": ("optimizer/w/m", "CUT")}
)"),
            0);
}

TEST_F(FormatInteropTest, ThatReaderFindsAFlippedBitInEveryFile) {
  EXPECT_EQ(run_python(R"(
from format_reader import read_checkpoint
paths = glob.glob(step + "/MANIFEST") + sorted(glob.glob(attempt + "/*"))
assert len(paths) == 4, paths
for path in paths:
    good = open(path, "rb").read()
    for at in (0, 20, len(good) // 2, len(good) - 1):
        open(path, "wb").write(good[:at] + bytes([good[at] ^ 4]) + good[at + 1:])
        try:
            read_checkpoint(step)
        except AssertionError:
            continue
        raise SystemExit(f"{path}: a flip at {at} was not found")
    open(path, "wb").write(good)
read_checkpoint(step)
)"),
            0);
}

TEST_F(FormatInteropTest, SafetensorsReadsEveryDataFile) {
  EXPECT_EQ(run_python(R"(
from safetensors import deserialize, safe_open
shapes = {}
for path in sorted(glob.glob(attempt + "/*")):
    for name, tensor in deserialize(open(path, "rb").read()):
        shapes.setdefault(name, []).append(tensor["shape"])
    with safe_open(path, "np") as file:
        assert file.metadata()["format"] == "pt"
        assert file.metadata()["shardopt_step"] == "12"
        assert attempt.endswith("/a-" + file.metadata()["shardopt_attempt"])
assert shapes["w"] == [[1, 20000], [1, 20000]], shapes
assert shapes["optimizer/w/m"] == [[2], [2], [1]], shapes
)"),
            0);
}

TEST_F(FormatInteropTest, TorchsOwnReaderPutsThePiecesTogether) {
  EXPECT_EQ(run_python(R"(
import warnings
import torch
import torch.distributed.checkpoint as dcp
warnings.simplefilter("ignore")  # No process group: one process reads all.
state = {"w": torch.zeros(2, 20000), "optimizer/w/m": torch.zeros(5, dtype=torch.bfloat16)}
dcp.load(state, storage_reader=dcp.HuggingFaceStorageReader(attempt))
assert torch.equal(state["w"], torch.arange(40000.0).view(2, -1))
assert torch.equal(state["optimizer/w/m"], torch.arange(5, dtype=torch.bfloat16))
)"),
            0);
}

}  // namespace
}  // namespace shardopt::checkpoint
