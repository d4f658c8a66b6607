"""shardopt-replay as users start it: its answer, its help, its errors."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from program import TIMEOUT_SECONDS, clean_environment

REPLAY = os.environ["SHARDOPT_REPLAY"]

CASE = {
    "dtype": "float64",
    "optimizer": {"name": "lion", "lr": 0.1, "weight_decay": 0.01},
    "parameters": [{"name": "w", "shape": [2, 3],
                    "values": [0.5, -0.3, 0.8, -0.2, 0.9, 0.1]}],
    "gradients": [[[0.1, -0.2, 0.3, 0.4, 0.05, -0.6]],
                  [[-0.3, 0.1, 0.2, 0.1, -0.4, 0.5]]],
}


class ReplayTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardopt-replay-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, *arguments):
        return subprocess.run([REPLAY, *arguments], env=clean_environment(), text=True,
                              capture_output=True, timeout=TIMEOUT_SECONDS, check=False)

    def replay(self, text, name="case.json"):
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else json.dumps(text).encode())
        return self.start(path)

    def assert_error(self, ended, path, problem):
        self.assertEqual((ended.returncode, ended.stdout), (1, ""))
        self.assertEqual(ended.stderr, f"shardopt-replay: {path}: {problem}\n")

    def test_answers_with_numbers_that_read_back_exactly(self):
        ended = self.replay(CASE)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        answer = json.loads(ended.stdout)
        self.assertEqual(set(answer),
                         {"parameters", "lr", "updates", "loss_scale", "groups"})
        # Lion moves every entry by lr, after decay.
        first = [w * (1 - 0.1 * 0.01) + s * 0.1 for w, s in
                 zip(CASE["parameters"][0]["values"], (-1, 1, -1, -1, -1, 1))]
        for found, expected in zip(answer["parameters"][0][0], first):
            self.assertAlmostEqual(found, expected, delta=1e-15)
        self.assertEqual(answer["lr"], [[0.1, 0.1]] * 2)
        self.assertEqual(answer["updates"], [1, 2])
        self.assertEqual(answer["loss_scale"], [1, 1])

    def test_says_the_same_bytes_again(self):
        case = {**CASE, "ranks": 3, "replicas": 2, "cuts": {"w": [0, 0, 1, 2]},
                "transform": [{"name": "orthograd"}]}
        self.assertEqual(self.replay(case).stdout, self.replay(case).stdout)

    def test_help_names_every_field_of_a_case(self):
        ended = self.start("--help")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        for word in ("CASE.json", "dtype", "parameters", "gradients", "ranks",
                     "replicas", "cuts", "optimizer", "schedule", "train", "transform",
                     "loss_scale", "average", "evaluation", "updates", "groups"):
            self.assertIn(word, ended.stdout)

    def test_without_a_file_or_with_two_is_an_error(self):
        for arguments in ([], ["a", "b"], ["--cuts", "a"]):
            ended = self.start(*arguments)
            self.assertEqual((ended.returncode, ended.stdout), (1, ""), arguments)
            self.assertNotEqual(ended.stderr, "")

    def test_a_file_that_cannot_be_read_is_an_error(self):
        for path in (self.folder / "none.json", self.folder):
            self.assert_error(self.start(path), path,
                              "cannot be opened, or is no file")

    def test_errors_are_one_line_that_names_file_and_field(self):
        path = self.folder / "case.json"
        for change, problem in (
                ({"dtype": "float16"},
                 "dtype: is 'float16'; allowed: float64 | float32; did you mean "
                 "'float64'?"),
                ({"ranks": 65}, "ranks: is 65; allowed: a whole number from 1 to 64"),
                ({"cuts": {"w": [0, 1]}},
                 "cuts.w: ends at 1; allowed: 2, the parameter's rows"),
                ({"optimizer": {"lr": -1}}, "optimizer.lr is -1; allowed: >= 0"),
                ({"mesh": {}}, "mesh: has no meaning in a replay")):
            with self.subTest(problem):
                self.assert_error(self.replay({**CASE, **change}), path, problem)

    def test_errors_that_optimizer_and_transforms_find_are_one_line_too(self):
        for change, part in (
                ({"optimizer": {"name": "lino"}}, "did you mean 'lion'?"),
                ({"optimizer": {"name": "lion", "group": [{"pattern": "("}]}}, "'('"),
                ({"optimizer": {"muon": {"preset": "jordn"}}}, "'jordan'?"),
                ({"transform": [{"name": "grokfast_ema", "window": 3}]},
                 "transform[0].window"),
                ({"transform": [{"name": "unscale"}]}, "unscale"),
                ({"loss_scale": {"mode": "static"}}, "loss_scale"),
                ({"schedule": {"name": "cosine", "warmup_steps": 9},
                  "train": {"steps": 3}}, "warmup_steps is 9")):
            for ranks in (1, 3):
                with self.subTest(part, ranks=ranks):
                    ended = self.replay({**CASE, **change, "ranks": ranks})
                    self.assertEqual((ended.returncode, ended.stdout), (1, ""))
                    self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)
                    self.assertIn(part, ended.stderr)
                    self.assertNotIn("frame #", ended.stderr)

    def test_text_that_is_no_json_is_an_error(self):
        for text in (b"", b"\xff\xfe", b"{", b"[" * 100000, b'{"a": 1e999}', b"\0"):
            ended = self.replay(text)
            self.assertEqual((ended.returncode, ended.stdout), (1, ""), text[:9])
            self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)
            self.assertIn("case.json: not JSON: ", ended.stderr)

    def test_standard_output_that_is_full_is_an_error(self):
        path = self.folder / "case.json"
        path.write_text(json.dumps(CASE), encoding="utf-8")
        with open("/dev/full", "wb") as full:
            ended = subprocess.run([REPLAY, path], env=clean_environment(), text=True,
                                   stdout=full, stderr=subprocess.PIPE, check=False,
                                   timeout=TIMEOUT_SECONDS)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("standard output", ended.stderr)


if __name__ == "__main__":
    unittest.main()
