"""What a run writes and says: its folder, its log, and the program's other answers."""

import math
import subprocess
import sys
import unittest

import numpy
from safetensors.numpy import load_file

from case import ProgramCase, read_metrics
from program import SOURCE_DIR, run_alone, run_ranks

HEADER = "step,tokens,loss,val_loss,lr,grad_norm,tokens_per_second,seconds"
FILES = {"config.txtpb", "metrics.csv", "model.safetensors", "sample.txt",
         "tensorboard"}
READ_EVENTS = SOURCE_DIR / "tests" / "reference" / "read_events.py"


def names_in(folder):
    return {path.name for path in folder.iterdir()}


class FolderTest(ProgramCase):
    def test_holds_the_files_of_a_run_and_nothing_else(self):
        run = self.train(2, {"output.sample_bytes": 16})
        self.assertEqual(names_in(run), FILES)

    def test_configuration_loads_again_and_is_what_print_config_prints(self):
        settings = {"output.path": self.folder / "run", "optimizer.name": "muon",
                    "optimizer.muon.adamw.lr": 0.25}
        run = self.train(2, settings)
        printed = run_alone([*self.arguments(settings), "--print-config"])
        written = (run / "config.txtpb").read_text()
        self.assertEqual((printed.code, printed.err), (0, ""))
        self.assertEqual(written, printed.out)
        again = run_alone(["--config", str(run / "config.txtpb"), "--print-config"])
        self.assertEqual(again.out, written)
        self.assertIn("lr: 0.25", written)

    def test_a_run_from_its_configuration_has_the_same_losses(self):
        run = self.train(1, {})
        other = self.folder / "other"
        ended = run_alone(["--config", str(run / "config.txtpb"), "--set",
                           f"output.path={other}"])
        self.assertEqual(ended.code, 0, ended.err)
        self.assertEqual([row["loss"] for row in read_metrics(other)],
                         [row["loss"] for row in read_metrics(run)])

    def test_metrics_have_a_row_for_each_step(self):
        run = self.train(2, {"train.steps": 5, "train.validate_every": 2})
        self.assertEqual((run / "metrics.csv").read_text().splitlines()[0], HEADER)
        rows = read_metrics(run)
        self.assertEqual([row["step"] for row in rows], ["1", "2", "3", "4", "5"])
        # 12 samples of 32 bytes in each step.
        self.assertEqual([row["tokens"] for row in rows],
                         ["384", "768", "1152", "1536", "1920"])
        # Steps 2, 4 and the last one are validated; the others have empty cells.
        self.assertEqual([row["val_loss"] != "" for row in rows],
                         [False, True, False, True, True])
        self.assertAlmostEqual(float(rows[0]["loss"]), math.log(256), delta=0.1)
        self.assertEqual({float(row["lr"]) for row in rows}, {0.003})
        for column in ("grad_norm", "tokens_per_second", "seconds"):
            self.assertTrue(all(float(row[column]) > 0 for row in rows), column)
        seconds = [float(row["seconds"]) for row in rows]
        self.assertEqual(seconds, sorted(seconds))

    def test_learning_rate_follows_the_schedule(self):
        run = self.train(1, {"schedule.name": "linear", "schedule.warmup_steps": 2,
                             "schedule.min_lr_ratio": 0, "train.steps": 6,
                             "optimizer.lr": 1})
        rates = [float(row["lr"]) for row in read_metrics(run)]
        # Steps 0, 1 warm up from 0; the 4 steps left fall from 1 by a quarter each.
        numpy.testing.assert_allclose(rates, [0, 0.5, 1, 0.75, 0.5, 0.25], rtol=1e-12)

    def test_never_validates_where_validate_every_is_0(self):
        run = self.train(1, {"train.validate_every": 0})
        self.assertEqual([row["val_loss"] for row in read_metrics(run)], [""] * 3)

    def test_tensorboard_reads_the_scalars_of_metrics(self):
        run = self.train(2, {"train.steps": 2})
        text = subprocess.run([sys.executable, READ_EVENTS, run / "tensorboard"],
                              check=True, capture_output=True, text=True).stdout
        scalars = {(tag, int(step)): float(value) for tag, step, value in
                   (line.split() for line in text.splitlines())}
        rows = read_metrics(run)
        for row in rows:
            for column in ("loss", "lr", "grad_norm", "tokens_per_second"):
                tags = [tag for tag, step in scalars if step == int(row["step"])
                        and tag.split("/")[-1] == column]
                self.assertEqual(len(tags), 1, f"{column} in {sorted(scalars)}")
                value = scalars[tags[0], int(row["step"])]  # fp32 in the file
                self.assertAlmostEqual(value / float(row[column]), 1, delta=1e-6)

    def assert_has_weights(self, tied):
        run = self.train(3, {"model.layers": 1, "model.hidden": 40, "model.tied": tied})
        shapes = {"tok_embedding.weight": (256, 32), "final_norm.weight": (32,),
                  "blocks.0.attn_norm.weight": (32,), "blocks.0.qkv.weight": (96, 32),
                  "blocks.0.proj.weight": (32, 32), "blocks.0.mlp_norm.weight": (32,),
                  "blocks.0.w1.weight": (40, 32), "blocks.0.w3.weight": (40, 32),
                  "blocks.0.w2.weight": (32, 40)}
        if tied == "false":
            shapes["head.weight"] = (256, 32)
        weights = load_file(run / "model.safetensors")
        self.assertEqual({name: w.shape for name, w in weights.items()}, shapes)
        self.assertEqual({w.dtype for w in weights.values()}, {numpy.dtype("float32")})
        self.assertTrue(all(numpy.isfinite(w).all() for w in weights.values()))

    def test_weights_are_whole_fp32_and_have_their_names(self):
        self.assert_has_weights(tied="true")

    def test_weights_have_a_head_where_it_is_not_tied(self):
        self.assert_has_weights(tied="false")

    def test_weights_are_fp32_where_computing_is_bf16(self):
        run = self.train(2, {"mesh.compute_dtype": "bf16", "mesh.reduce_dtype": "bf16"})
        weights = load_file(run / "model.safetensors")
        self.assertEqual({w.dtype for w in weights.values()}, {numpy.dtype("float32")})

    def test_sample_goes_on_from_a_prompt_as_long_as_asked(self):
        run = self.train(2, {"output.sample_bytes": 100})
        self.assertEqual(len((run / "sample.txt").read_bytes()), len("And ") + 100)
        self.assertTrue((run / "sample.txt").read_bytes().startswith(b"And "))


class FolderInUseTest(ProgramCase):
    def test_a_folder_that_holds_a_run_is_an_error_and_stays_as_it_is(self):
        run = self.train(1, {})
        before = (run / "metrics.csv").read_bytes()
        entry = self.arguments({"output.path": run})
        for ended in (run_alone(entry), *run_ranks([entry] * 2)):
            self.assertNotEqual(ended.code, 0)
            self.assertEqual(len(ended.err.splitlines()), 1, ended.err)
        self.assertIn("overwrite", run_alone(entry).err)
        self.assertEqual((run / "metrics.csv").read_bytes(), before)

    def test_overwrite_replaces_the_run_and_leaves_other_files_alone(self):
        run = self.train(1, {"output.sample_bytes": 16})
        (run / "notes").write_text("mine")
        self.train(1, {"train.steps": 2, "output.overwrite": "true"})
        # The sample of the first run is not taken for one of the second.
        self.assertEqual(names_in(run), FILES - {"sample.txt"} | {"notes"})
        self.assertEqual(len(read_metrics(run)), 2)
        self.assertEqual(len(names_in(run / "tensorboard")), 1)


if __name__ == "__main__":
    unittest.main()
