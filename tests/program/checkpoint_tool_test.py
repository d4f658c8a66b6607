"""shardopt-checkpoint, and other programs' readers on the same files."""

import json
import os
import shutil
import subprocess
import sys
import unittest

from case import needs_torch
from checkpoint_case import HALF, CheckpointCase
from program import SOURCE_DIR

TOOL = os.environ["SHARDOPT_CHECKPOINT"]
REFERENCE = str(SOURCE_DIR / "tests" / "reference" / "gpt_reference.py")
TOLERANCE = 1e-6  # Relative: sums of fp32 in another order.


def run_tool(*arguments):
    """(exit code, standard output, standard error)"""
    done = subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


class ToolCase(CheckpointCase):
    """`root` holds steps 5 and 10 of a run on 2 ranks with Muon."""

    settings = {"optimizer.name": "muon", "checkpoint.every_steps": 5}

    def setUp(self):
        super().setUp()
        self.interrupted(self.settings, ranks=2)

    def tool(self, *arguments, code=0):
        """Its standard output; its standard error has one line if it failed."""
        got, out, err = run_tool(*arguments)
        self.assertEqual(got, code, out + err)
        self.assertEqual(len(err.splitlines()), 1 if code == 2 else 0, err)
        return out + err


class LookTest(ToolCase):
    def test_ls_lists_steps_with_their_state(self):
        lines = self.tool("ls", self.root).splitlines()
        self.assertEqual([line.split()[:3] for line in lines],
                         [["step", "5", "sound"], ["step", "10", "sound"]])
        self.assertIn("2 ranks", lines[0])
        (self.step_folder(5) / "MANIFEST").unlink()
        (self.step_folder(10) / "PIN").touch()
        out = self.tool("ls", self.root)
        self.assertIn("step 5  not committed", out)
        self.assertIn("step 10  sound, pinned", out)

    def test_show_tells_of_the_nested_optimizer(self):
        out = self.tool("show", self.root, "--tensors", "--config")
        for text in ("step 10,", "optimizer: muon", "adamw: adamw", "schedule: schedule",
                     "blocks.0.qkv.weight  F32 [96, 32]", "rng/dropout@00001",
                     'name: "muon"'):
            self.assertIn(text, out)

    def test_verify_finds_one_flipped_bit_and_goes_on(self):
        self.assertEqual(self.tool("verify", self.root).count(": sound, "), 2)
        self.flip_bit(5)
        out = self.tool("verify", self.root, code=1)
        self.assertIn("step_000000000005: corrupt: ", out)
        self.assertIn("step_000000000010: sound", out)
        self.tool("verify", self.step_folder(10))

    def test_diff_names_what_differs(self):
        self.assertIn("the same state", self.tool("diff", self.root, self.step_folder(10)))
        out = self.tool("diff", self.step_folder(5), self.root, code=1)
        for text in ("step: 5 and 10", "blocks.0.qkv.weight: ", "schedule/step: 5 and 10",
                     "elements differ"):
            self.assertIn(text, out)

    def test_prune_keeps_the_newest_and_what_is_pinned(self):
        self.tool("prune", self.root, "--keep", "1")
        self.assertEqual(self.steps(), [10])
        self.assertIn("nothing to remove", self.tool("prune", self.root, "--keep", "1"))

    def test_prune_leaves_a_pinned_step(self):
        (self.step_folder(5) / "PIN").touch()
        self.tool("prune", self.root, "--keep", "1")
        self.assertEqual(self.steps(), [5, 10])

    def test_bad_input_is_one_line(self):
        nowhere = self.folder / "nowhere"
        self.assertIn(str(nowhere), self.tool("ls", nowhere, code=2))
        for command in ("show", "verify"):
            self.assertIn("nowhere", self.tool(command, nowhere, code=2))
        self.assertIn("nowhere", self.tool("prune", nowhere, "--keep", 1, code=2))
        self.assertIn("nowhere", self.tool("diff", self.root, nowhere, code=2))
        self.assertIn("nowhere/out", self.tool("export", self.root, nowhere / "out", code=2))
        self.assertIn("text.txt", self.tool("import", self.text, nowhere, code=2))
        for usage in (["prune", self.root], ["export", self.root], [], ["fly"],
                      ["prune", self.root, "--keep", "0"],
                      ["export", self.root, "x", "--dtype", "f8"]):
            self.assertEqual(run_tool(*usage)[0], 2, usage)


@needs_torch
class InteropTest(ToolCase):
    def exported(self, *options):
        from safetensors.torch import load_file
        path = self.folder / "weights.safetensors"
        self.tool("export", self.root, path, *options)
        return path, load_file(path)

    def test_safe_open_reads_every_data_file(self):
        from safetensors import safe_open
        _, whole = self.exported()
        for path in self.data_files(HALF):
            with safe_open(path, "pt") as file:
                names = set(file.keys())
                self.assertIn("optimizer/parameters/blocks.0.qkv.weight/momentum", names)
                for name in names & set(whole):
                    offset = json.loads(file.metadata()["DCP_SHARDING_INFO"])[name]
                    rows = file.get_tensor(name)
                    begin = offset["saved_offsets"][0]
                    self.assertTrue(
                        whole[name][begin:begin + len(rows)].equal(rows), name)

    def test_torchs_own_reader_reshards_our_files(self):
        import torch
        import torch.distributed.checkpoint as dcp
        _, whole = self.exported()
        folder = self.data_files(HALF)[0].parent
        loaded = {name: torch.zeros_like(tensor) for name, tensor in whole.items()}
        dcp.load(loaded, storage_reader=dcp.HuggingFaceStorageReader(str(folder)),
                 no_dist=True)
        for name, tensor in whole.items():
            self.assertTrue(loaded[name].equal(tensor), name)

    def test_pytorch_has_our_loss_with_exported_weights(self):
        path, _ = self.exported()
        run = self.folder / "next"
        self.says({"model.init": path, "train.steps": 1,
                   "optimizer.weight_decay": 0.1}, name="next")
        reference = self.folder / "reference"
        reference.mkdir()
        shutil.copy(run / "config.txtpb", reference)
        shutil.copy(path, reference / "model.safetensors")
        done = subprocess.run([sys.executable, REFERENCE, str(reference), "--steps", "1"],
                              capture_output=True, text=True, timeout=90, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_near(self.losses_of("next"), json.loads(done.stdout)["losses"],
                         TOLERANCE)

    def test_export_has_the_weights_that_the_run_evaluates(self):
        for name, settings in (
                ("average", {"average.mode": "ema", "average.momentum": 0.5}),
                ("free", {"optimizer.name": "schedule_free_adamw"}),
                ("free_sgd", {"optimizer.name": "schedule_free_sgd",
                              "optimizer.lr": 0.1})):
            with self.subTest(name):
                root = self.folder / f"{name}-root"
                run = self.train(1, {"train.steps": 4, "checkpoint.path": root,
                                     **settings}, f"{name}-run")
                files = {point: self.folder / f"{name}-{point}.safetensors"
                         for point in ("train", "eval")}
                for point, path in files.items():
                    self.tool("export", root, path, "--point", point)
                self.assert_close(files["eval"], run / "model.safetensors")
                with self.assertRaises(AssertionError):
                    self.assert_close(files["train"], run / "model.safetensors")

    def assert_close(self, path, other):
        import torch
        from safetensors.torch import load_file
        ours, theirs = load_file(path), load_file(other)
        self.assertEqual(ours.keys() & theirs.keys(), theirs.keys())
        for name, tensor in theirs.items():
            torch.testing.assert_close(ours[name], tensor, rtol=0, atol=1e-6)

    def test_export_converts_and_import_brings_back(self):
        import torch
        _, half = self.exported("--dtype", "bf16")
        self.assertEqual({tensor.dtype for tensor in half.values()}, {torch.bfloat16})
        path, whole = self.exported("--point", "eval")
        self.tool("import", path, self.folder / "imported", "--step", "3")
        self.tool("verify", self.folder / "imported")
        again = self.folder / "again.safetensors"
        self.tool("export", self.folder / "imported", again)
        self.assertEqual(path.read_bytes(), again.read_bytes())
        self.assertEqual({tensor.dtype for tensor in whole.values()}, {torch.float32})


if __name__ == "__main__":
    unittest.main()
