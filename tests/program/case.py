"""What tests of the training program share: a folder of their own, its files read."""

import csv
import importlib.util
import math
import pathlib
import shutil
import tempfile
import unittest

from program import arguments, run_ranks, words

# Where SHARDOPT_TORCH_DIR names a LibTorch, the tests' Python may be without torch.
needs_torch = unittest.skipUnless(importlib.util.find_spec("torch"),
                                  "this Python has no torch")


class ProgramCase(unittest.TestCase):
    """Each test has an empty `folder`, and `text`, a file of 60 kB of words."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardopt-program-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.text = self.folder / "text.txt"
        self.text.write_text(words(11000))

    def arguments(self, settings=None):
        """The command line of a small run on `text`, changed by `settings`."""
        return arguments({"data.path": self.text, **(settings or {})})

    def train(self, ranks, settings, name="run"):
        """The output folder of a run that must succeed."""
        output = self.folder / name
        entry = self.arguments({"output.path": output, **settings})
        for ended in run_ranks([entry] * ranks):
            self.assertEqual((ended.code, ended.err), (0, ""))
        return output

    def losses(self, ranks, settings, name="run"):
        return read_losses(self.train(ranks, settings, f"{name}-{ranks}-ranks"))

    def assert_near(self, values, expected, tolerance):
        """All within `tolerance`, relative. Shows the largest difference as well."""
        difference = largest_difference(values, expected)
        print(f"{self.id()}: largest relative difference {difference:.2g}, "
              f"allowed {tolerance:.2g}")
        self.assertLessEqual(difference, tolerance)


def largest_difference(values, expected):
    """Of any two entries, relative to the expected one; infinite for no number."""
    if len(values) != len(expected) or not expected:
        raise AssertionError(f"{len(values)} values, {len(expected)} expected")
    differences = [abs(a - b) / abs(b) for a, b in zip(values, expected)]
    return max(d if math.isfinite(d) else math.inf for d in differences)


def read_metrics(folder):
    """The rows of metrics.csv: dicts of texts by column."""
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def read_losses(folder):
    return [float(row["loss"]) for row in read_metrics(folder)]
