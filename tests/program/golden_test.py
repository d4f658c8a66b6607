"""tests/golden through shardopt-replay: on 1, 2 and 3 ranks, some on replicas."""

import filecmp
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from program import SOURCE_DIR
from replays import all_first, all_last, cut, difference, empty_between, replay_all

GOLDEN = SOURCE_DIR / "tests" / "golden"
CASES = [path for path in sorted(GOLDEN.glob("*.json"))
         if not path.name.endswith(".expected.json")]
LR_ROUNDING = 1e-15
EXACT = ("updates", "loss_scale")
# Cases in which ranks add up something, which replicas must not add again.
SUMMED = ("adamw_caution_clamp", "clip_global_norm_of_two", "loss_scale_dynamic",
          "muon_caution_before", "orthograd")


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def spread(case, whole):
    """By what it is called: the case on more and more ranks."""
    if whole:
        return {"1 rank": case,
                "2 ranks, all on the last": cut(case, all_last, 2),
                "3 ranks, all on the first": cut(case, all_first, 3)}
    return {"1 rank": case, "2 ranks": {**case, "ranks": 2},
            "3 ranks, none on the second": cut(case, empty_between, 3)}


def is_lr(groups, expected):
    """Whether these are a call's lr: expected are one number, that of all groups, or one
    for each, or null where there was no update."""
    if groups is None or expected is None:
        return groups is expected
    if not isinstance(expected, list):
        expected = [expected] * len(groups)
    return difference(groups, expected) <= LR_ROUNDING


def routing(groups):
    """parameter -> [algorithm, weight decay]"""
    return {name: [group["algorithm"], group["weight_decay"]]
            for group in groups for name in group["parameters"]}


class GoldenTest(unittest.TestCase):
    def check(self, result, expected):
        for key in ("parameters", "evaluation"):
            if key in expected:
                self.assertLessEqual(difference(result.get(key), expected[key]),
                                     expected["tolerance"], (key, result.get(key)))
        for key in EXACT:
            if key in expected:
                self.assertEqual(result[key], expected[key], key)
        if "lr" in expected:
            self.assertEqual(list(map(is_lr, result["lr"], expected["lr"])),
                             [True] * len(expected["lr"]), result["lr"])
        if "groups" in expected:
            self.assertEqual(routing(result["groups"]), expected["groups"])

    def check_all(self, cases, expected):
        """`cases` by what they are called."""
        for name, result in zip(cases, replay_all(cases.values())):
            with self.subTest(name):
                self.check(result, expected)

    def check_everywhere(self, path):
        expected = read(path.with_suffix(".expected.json"))
        self.check_all(spread(read(path), expected.get("whole", False)), expected)

    def test_replicas_change_nothing(self):
        for name in SUMMED:
            path = GOLDEN / f"{name}.json"
            case = cut(read(path), all_last, 2, replicas=2)
            self.check_all({name: case}, read(path.with_suffix(".expected.json")))


def add_test(path):
    setattr(GoldenTest, f"test_{path.stem}", lambda self: self.check_everywhere(path))


for case_path in CASES:
    add_test(case_path)


class FilesTest(unittest.TestCase):
    def test_the_files_are_those_that_the_script_writes(self):
        with tempfile.TemporaryDirectory(prefix="shardopt-golden-") as folder:
            subprocess.run([sys.executable, GOLDEN / "make_golden.py", folder], check=True)
            written = sorted(path.name for path in pathlib.Path(folder).iterdir())
            self.assertEqual(written, sorted(path.name for path in GOLDEN.glob("*.json")))
            _, unequal, failed = filecmp.cmpfiles(folder, GOLDEN, written, shallow=False)
        self.assertEqual((unequal, failed), ([], []))


if __name__ == "__main__":
    unittest.main()
