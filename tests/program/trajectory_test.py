"""Fifty updates against PyTorch's own optimizers in float64, whole and cut."""

import json
import subprocess
import sys
import unittest

from case import needs_torch
from program import SOURCE_DIR, TIMEOUT_SECONDS, clean_environment
from replays import all_last, cut, difference, empty_between, replay_all

REFERENCE = SOURCE_DIR / "tests" / "reference" / "torch_trajectories.py"


def spread(case):
    """On one rank, and on two or three; Muon's matrices stay whole."""
    if case["optimizer"]["name"] == "muon":
        return [case, cut(case, all_last, 2)]
    return [case, {**case, "ranks": 2}, cut(case, empty_between, 3)]


@needs_torch
class TrajectoryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        ended = subprocess.run([sys.executable, REFERENCE], env=clean_environment(),
                               text=True, capture_output=True, timeout=TIMEOUT_SECONDS,
                               check=True)
        cls.references = json.loads(ended.stdout)

    def check(self, name):
        reference = self.references[name]
        results = replay_all(spread(reference["case"]))
        differences = [difference(result["parameters"], reference["parameters"])
                       for result in results]
        print(f"{name}: largest differences {differences}, "
              f"allowed {reference['tolerance']}")
        self.assertLessEqual(max(differences), reference["tolerance"])

    def test_adamw(self):
        self.check("adamw")

    def test_adamw_with_amsgrad(self):
        self.check("adamw_amsgrad")

    def test_adam(self):
        self.check("adam")

    def test_adam_with_decoupled_decay(self):
        self.check("adam_decoupled")

    def test_nadam_as_keras_has_it(self):
        self.check("nadam_keras")

    def test_nadamw_as_keras_has_it(self):
        self.check("nadamw_keras")

    def test_sgd(self):
        self.check("sgd")

    def test_sgd_with_momentum(self):
        self.check("sgd_momentum")

    def test_sgd_with_nesterovs_momentum(self):
        self.check("sgd_nesterov")

    def test_muon_scaled_by_aspect(self):
        self.check("muon_aspect")

    def test_muon_scaled_to_adamws_size(self):
        self.check("muon_rms")

    def test_muon_without_nesterov(self):
        self.check("muon_plain")

    def test_muon_with_heavy_ball_momentum(self):
        self.check("muon_heavy_ball")


if __name__ == "__main__":
    unittest.main()
