"""A run in two parts, the second in a new process, has the bits of an unbroken one."""

import re
import unittest

from case import needs_torch
from checkpoint_case import HALF, STEPS, CheckpointCase, saved_steps
from launchers import HAS_MPI, mpirun, needs_mpirun, run
from program import PROGRAM, run_alone, run_torchrun

DROPOUT = {"model.dropout": 0.1}
# An asynchronous save is the one that a later process goes on from.
LATER = HALF - 1
BY_STEPS = {"checkpoint.every_steps": 3}
FROM_LATER = {"checkpoint.resume": f"step={LATER}", "checkpoint.discard_later": "true"}


def optimizers():
    lines = run_alone(["--list-optimizers"]).out.splitlines()
    return [line.split()[0] for line in lines]


def schedules():
    help_text = run_alone(["--help"]).out
    line = re.search(r"^schedule\.name .*$", help_text, re.MULTILINE).group()
    return re.search(r"(\w+(?: \| \w+)+)", line).group().split(" | ")


class OneProcessTest(CheckpointCase):
    def assert_goes_on(self, settings, name):
        self.root = self.folder / f"{name}-checkpoints"
        self.saving["checkpoint.path"] = self.root
        self.train(1, {"train.steps": STEPS, **settings}, f"{name}-whole")
        self.interrupted(settings, name=name)
        self.assertEqual(self.steps(), [HALF])
        out = self.says({**self.saving, **settings}, name=name)
        self.assertIn(f"resumed from step {HALF} ({self.step_folder(HALF)})", out)
        self.assert_same_run(name, f"{name}-whole")

    def test_every_optimizer_goes_on(self):
        names = optimizers()
        self.assertGreaterEqual(len(names), 3)
        for name in names:
            with self.subTest(name):
                self.assert_goes_on({**DROPOUT, "optimizer.name": name,
                                     "schedule.name": "cosine",
                                     "schedule.warmup_steps": 3}, name)

    def test_every_schedule_goes_on(self):
        names = schedules()
        self.assertGreaterEqual(len(names), 5)
        for name in names:
            with self.subTest(name):
                self.assert_goes_on({"schedule.name": name, "schedule.warmup_steps": 4,
                                     "schedule.min_lr_ratio": 0.1}, name)

    def test_groups_accumulation_and_sequential_samples_go_on(self):
        self.assert_goes_on({**DROPOUT, "train.accumulation": 2,
                             "data.order": "sequential", "train.validate_every": 4,
                             "optimizer.name": "muon",
                             "optimizer.group[0].pattern": "w1",
                             "optimizer.group[0].algorithm": "lion",
                             "optimizer.group[0].lr": 0.001}, "groups")

    def test_transforms_average_and_loss_scale_go_on(self):
        self.assert_goes_on({**DROPOUT, "optimizer.name": "schedule_free_adamw",
                             "optimizer.caution": "true",
                             "transform[0].name": "accumulate", "transform[0].steps": 2,
                             "transform[1].name": "grokfast_ma", "transform[1].window": 3,
                             "transform[2].name": "orthograd",
                             "loss_scale.mode": "dynamic", "average.mode": "ema",
                             "train.validate_every": 4}, "transforms")


class SavingChangesNothingTest(CheckpointCase):
    def test_runs_that_save_in_every_way_have_the_bits_of_one_that_does_not(self):
        settings = {**DROPOUT, "train.steps": STEPS, "train.validate_every": 5}
        self.train(2, settings, "without")
        for number, extra in enumerate((
                {"checkpoint.every_steps": 1}, {"checkpoint.every_steps": 3},
                {"checkpoint.every_steps": 1, "checkpoint.async": "false"},
                {"checkpoint.every_steps": 1, "checkpoint.host_budget_mib": 1})):
            with self.subTest(extra):
                name = f"with-{number}"
                out = self.says({**settings, **extra,
                                 "checkpoint.path": self.folder / f"root-{number}"}, 2,
                                name)
                self.assertGreaterEqual(len(saved_steps(out)), 7)
                self.assert_same_run(name, "without")


class ManyProcessesTest(CheckpointCase):
    def assert_goes_on(self, ranks, settings, resume):
        """`resume` starts the second part; it has the arguments of a rank."""
        settings = {**self.saving, **DROPOUT, **BY_STEPS, **settings}
        whole = {field: value for field, value in settings.items()
                 if not field.startswith("checkpoint.")}
        self.train(ranks, whole, "whole")
        self.says({**settings, "train.stop_after": HALF}, ranks)
        self.assertEqual(self.steps(), [3, 6, 9, 10][-3:])
        ended = resume([PROGRAM, *self.arguments({
            **settings, **FROM_LATER, "output.path": self.folder / "run"})])
        self.assertEqual(ended.code, 0, ended.err)
        self.assertIn(f"resumed from step {LATER} ", ended.out)
        self.assert_same_run("run", "whole")
        self.assertNotIn(HALF, self.steps())

    def assert_goes_on_under_torchrun(self, ranks, **settings):
        settings = {name.replace("__", "."): value for name, value in settings.items()}
        self.assert_goes_on(ranks, settings, lambda command: run_torchrun(ranks, command))

    @needs_torch
    def test_adamw_on_2_saved_while_training_goes_on(self):
        self.assert_goes_on_under_torchrun(2)

    @needs_torch
    def test_adamw_on_4_saved_at_once(self):
        self.assert_goes_on_under_torchrun(4, checkpoint__async="false")

    @needs_torch
    def test_adamw_on_4_in_two_copies_saved_while_training_goes_on(self):
        self.assert_goes_on_under_torchrun(4, mesh__replicate=2)

    @needs_torch
    def test_muon_on_2_saved_at_once(self):
        self.assert_goes_on_under_torchrun(2, optimizer__name="muon",
                                           checkpoint__async="false")

    @needs_torch
    def test_muon_on_4_saved_while_training_goes_on(self):
        self.assert_goes_on_under_torchrun(4, optimizer__name="muon")

    @needs_mpirun
    @unittest.skipUnless(HAS_MPI, "this build has no MPI")
    def test_adamw_on_2_under_mpirun_over_mpi(self):
        # Gloo may sum in another order, so that the first part is of MPI as well.
        def by_mpi(settings):
            entry = self.arguments({**self.saving, **DROPOUT, **BY_STEPS,
                                    "mesh.backend": "mpi", **settings})
            ended = run(mpirun(2, [PROGRAM, *entry]))[0]
            self.assertEqual(ended.code, 0, ended.err)
            return ended.out
        by_mpi({"output.path": self.folder / "whole",
                "checkpoint.path": self.folder / "other"})
        by_mpi({"output.path": self.folder / "run", "train.stop_after": HALF})
        out = by_mpi({"output.path": self.folder / "run", **FROM_LATER})
        self.assertIn(f"resumed from step {LATER} ", out)
        self.assert_same_run("run", "whole")


class OtherRanksTest(CheckpointCase):
    # As ranks_test: sums of gradients in another order.
    TOLERANCE = 1e-5

    def test_4_to_2_to_1_ranks_goes_on_as_an_unbroken_run(self):
        self.train(4, {"train.steps": 30}, "whole")
        self.says({**self.saving, "train.steps": 30, "train.stop_after": 10}, 4)
        out = self.says({**self.saving, "train.steps": 30, "train.stop_after": 20}, 2)
        self.assertNotIn("new masks", out)  # Nothing is dropped.
        self.says({**self.saving, "train.steps": 30}, 1)
        self.assert_near(self.losses_of("run"), self.losses_of("whole"), self.TOLERANCE)

    def test_copies_to_none_goes_on_as_an_unbroken_run(self):
        self.train(4, {"train.steps": STEPS}, "whole")
        self.interrupted({"mesh.replicate": 2}, 4)
        self.says(self.saving, 4)
        self.assert_near(self.losses_of("run"), self.losses_of("whole"), self.TOLERANCE)

    def test_other_ranks_get_dropout_masks_of_their_own_the_same_each_time(self):
        self.interrupted(DROPOUT, 2)
        for name in ("a", "b"):
            out = self.says({**self.saving, **DROPOUT, "checkpoint.path":
                             self.copy_root(f"root-{name}")}, 3, name)
            self.assertIn("dropout goes on with new masks", out)
        self.assert_same_run("a", "b")


if __name__ == "__main__":
    unittest.main()
