"""Micro-steps through shardopt-replay: as many as make one update on their mean."""

import random
import subprocess
import unittest

from program import PROGRAM, clean_environment
from replays import all_last, cut, difference, replay_all

STEPS, UPDATES = 3, 4
SHAPES = {"matrix": [3, 4], "vector": [5]}
ROUNDING = 1e-12  # Of means, at numbers of size 1.


def optimizer_names():
    listed = subprocess.run([PROGRAM, "--list-optimizers"], env=clean_environment(),
                            text=True, capture_output=True, check=True)
    return [line.split()[0] for line in listed.stdout.splitlines()]


def draw(source):
    """Numbers for each parameter."""
    return [[source.gauss(0, 1) for _ in range(shape[0] * (shape[1:] or [1])[0])]
            for shape in SHAPES.values()]


def mean(calls):
    return [[sum(values) / len(calls) for values in zip(*parameter)]
            for parameter in zip(*calls)]


def windows(calls):
    return [calls[i:i + STEPS] for i in range(0, len(calls), STEPS)]


def cases(name):
    """(by micro-steps, by their means): decay and a schedule count updates in both."""
    source = random.Random(1)
    weights = draw(source)
    calls = [draw(source) for _ in range(STEPS * UPDATES)]
    case = {"optimizer": {"name": name, "lr": 0.1, "weight_decay": 0.1, "decay": "all"},
            "schedule": {"name": "linear", "decay_steps": 2 * UPDATES}, "dtype": "float64",
            "parameters": [{"name": p, "shape": SHAPES[p], "values": values}
                           for p, values in zip(SHAPES, weights)]}
    accumulate = {"transform": [{"name": "accumulate", "steps": STEPS}]}
    return ({**cut(case, all_last, 2), **accumulate, "gradients": calls},
            {**case, "gradients": [mean(window) for window in windows(calls)]})


class AccumulationTest(unittest.TestCase):
    def check(self, name):
        by_steps, by_means = replay_all(cases(name))
        after = windows(by_steps["parameters"])
        self.assertLessEqual(difference([window[-1] for window in after],
                                        by_means["parameters"]), ROUNDING)
        self.assertNotEqual(by_means["parameters"][0], by_means["parameters"][1])
        for before, window in zip(after, after[1:]):
            self.assertEqual(window[:-1], [before[-1]] * (STEPS - 1))
        self.assertEqual([window[-1] for window in windows(by_steps["lr"])],
                         by_means["lr"])

    def test_micro_steps_equal_a_step_on_their_mean_with_every_optimizer(self):
        names = optimizer_names()
        self.assertIn("adamw", names)
        for name in names:
            with self.subTest(name):
                self.check(name)


if __name__ == "__main__":
    unittest.main()
