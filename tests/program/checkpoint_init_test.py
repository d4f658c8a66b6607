"""model.init: weights of a checkpoint or a file, all else fresh."""

import unittest

import numpy
from safetensors.numpy import load_file, save_file

from case import read_metrics
from checkpoint_case import CheckpointCase, saved_steps

INITIAL = {"train.steps": 0}  # Writes the weights that training begins with.


class InitCase(CheckpointCase):
    def setUp(self):
        super().setUp()
        self.says({**self.saving, "train.steps": 5}, name="before")
        self.weights = self.folder / "before" / "model.safetensors"

    def init(self, path, ranks=1, name="run", before=(), **patterns):
        """What is said, and the weights that a run begins with."""
        settings = {**INITIAL, "model.init": path,
                    **{f"model.init_{key}": value for key, value in patterns.items()}}
        out = self.says(settings, ranks, name, before)
        return out, load_file(self.folder / name / "model.safetensors")

    def assert_weights(self, weights, expected, but=()):
        self.assertEqual(set(weights), set(expected))
        for name, weight in weights.items():
            same = numpy.array_equal(weight, expected[name])
            self.assertEqual(same, name not in but, name)


class InitTest(InitCase):
    def test_weights_of_a_root_a_step_and_a_file_are_the_same(self):
        expected = load_file(self.weights)
        sources = {"root": (self.root, "weights of step 5 ("),
                   "step": (self.step_folder(5), "weights of step 5 ("),
                   "file": (self.weights, f"weights of {self.weights}\n")}
        for name, (path, said) in sources.items():
            for ranks in (1, 3):
                with self.subTest(name, ranks=ranks):
                    out, weights = self.init(path, ranks, f"{name}-{ranks}")
                    self.assertIn(said, out)
                    self.assert_weights(weights, expected)

    def test_a_step_folder_under_another_name_will_do(self):
        copy = self.folder / "best"
        self.step_folder(5).rename(copy)
        _, weights = self.init(copy)
        self.assert_weights(weights, load_file(self.weights))

    def test_optimizer_step_and_samples_are_fresh(self):
        out = self.says({"train.steps": 3, "model.init": self.root,
                         "optimizer.name": "lion", "optimizer.lr": 0.0001})
        self.assertIn("step 1/3", out)
        rows = read_metrics(self.folder / "run")
        before = read_metrics(self.folder / "before")
        self.assertLess(float(rows[0]["loss"]), float(before[-1]["loss"]))
        # The same samples as those of the first step that ever was, other weights.
        self.assertEqual([int(row["step"]) for row in rows], [1, 2, 3])
        self.assertEqual(rows[0]["tokens"], before[0]["tokens"])

    def test_a_root_of_its_own_is_gone_on_with_and_init_not_read_again(self):
        settings = {"model.init": self.weights, "checkpoint.path": self.folder / "own"}
        out = self.says({**settings, "train.steps": 2})
        self.assertIn("weights of ", out)
        out = self.says({**settings, "train.steps": 4})
        self.assertIn("resumed from step 2 ", out)
        self.assertIn("model.init is not read, since the run was resumed\n", out)
        self.assertEqual(saved_steps(out), [4])


class PatternTest(InitCase):
    UNTIED = {"model.tied": "false"}

    def test_a_missing_head_is_refused_and_allowed_by_a_pattern(self):
        words = ("model/head.weight", "missing in the")
        for path in (self.root, self.weights):
            self.fails({**INITIAL, **self.UNTIED, "model.init": path}, *words, ranks=2)
            settings = {**INITIAL, **self.UNTIED, "model.init": path,
                        "model.init_allow_missing": "model/head.*",
                        "output.overwrite": "true"}
            self.assertIn("model/head.weight is not taken from it\n",
                          self.says(settings, 2))
            weights = load_file(self.folder / "run" / "model.safetensors")
            self.assert_weights({name: weight for name, weight in weights.items()
                                 if name != "head.weight"}, load_file(self.weights))

    def test_what_is_ignored_stays_as_it_was_drawn(self):
        self.says(INITIAL, name="drawn")
        drawn = load_file(self.folder / "drawn" / "model.safetensors")
        names = {"blocks.1.w1.weight", "tok_embedding.weight"}
        for number, path in enumerate((self.root, self.weights)):
            out, weights = self.init(path, name=f"run-{number}",
                                     ignore="model/blocks.1.w1*, model/tok_*")
            self.assert_weights(weights, load_file(self.weights), but=names)
            for name in names:
                self.assertTrue(numpy.array_equal(weights[name], drawn[name]), name)
                self.assertIn(f"model/{name} is not taken from it\n", out)

    def test_another_type_is_refused_and_cast_by_a_pattern(self):
        half = {name: weight.astype(numpy.float16)
                for name, weight in load_file(self.weights).items()}
        path = self.folder / "half.safetensors"
        save_file(half, path)
        self.fails({**INITIAL, "model.init": path}, "the file has f16 [", "here f32 [")
        _, weights = self.init(path, name="cast", cast="f16:f32")
        self.assert_weights(weights, {name: weight.astype(numpy.float32)
                                      for name, weight in half.items()})

    def test_a_pattern_that_matches_nothing_is_refused(self):
        for path in (self.root, self.weights):
            self.fails({**INITIAL, "model.init": path, "model.init_ignore": "model/x*"},
                       "'model/x*'", "matches nothing")

    def test_a_model_of_another_size_is_refused_by_name(self):
        for path in (self.root, self.weights):
            self.fails({**INITIAL, "model.init": path, "model.dim": 64}, "model/",
                       "[256, 32]", "[256, 64]", ranks=2)


class BadInitTest(InitCase):
    def test_what_is_not_there(self):
        self.fails({**INITIAL, "model.init": self.folder / "absent"}, "absent",
                   "No such file")
        self.fails({**INITIAL, "model.init": self.folder / "absent.safetensors"},
                   "absent.safetensors")

    def test_a_root_without_checkpoints(self):
        (self.folder / "bare").mkdir()
        self.fails({**INITIAL, "model.init": self.folder / "bare"}, "model.init is '",
                   "bare'", "holds no checkpoint")

    def test_a_flipped_bit_in_a_checkpoint(self):
        path = self.flip_bit(5)
        self.fails({**INITIAL, "model.init": self.root}, path.name,
                   "tok_embedding.weight", ranks=2)

    def test_no_damaged_step_of_a_root_is_passed_over(self):
        self.says({**self.saving, "train.steps": 7}, name="before")
        self.assertEqual(self.steps(), [5, 7])
        (self.step_folder(7) / "MANIFEST").write_bytes(b"")
        self.fails({**INITIAL, "model.init": self.root}, "step_000000000007/MANIFEST",
                   name="other")

    def test_a_file_cut_short(self):
        data = self.weights.read_bytes()
        self.weights.write_bytes(data[:-1])
        self.fails({**INITIAL, "model.init": self.weights}, "model.safetensors")


if __name__ == "__main__":
    unittest.main()
