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


def wrong_lr(lr, expected):
    """Calls in which a group's lr is not the number expected, or there is one at all."""
    return [call for call, (groups, number) in enumerate(zip(lr, expected, strict=True))
            if (groups is None) != (number is None)
            or groups is not None and any(difference(x, number) > 1e-15 for x in groups)]


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
            self.assertEqual(wrong_lr(result["lr"], expected["lr"]), [], result["lr"])

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
