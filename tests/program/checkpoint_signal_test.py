"""Jobs that are ended from outside, and go on: by a signal, by a kill, by torchrun."""

import os
import signal
import subprocess
import sys
import time
import unittest

from case import needs_torch, read_metrics
from checkpoint_case import CheckpointCase, saved_steps
from launchers import launcher_environment, torchrun
from program import PROGRAM, SOURCE_DIR, Started, start_ranks

READ_EVENTS = SOURCE_DIR / "tests" / "reference" / "read_events.py"
ENDLESS = {"train.steps": 100000, "output.log_every": 1, "model.dropout": 0.1,
           "train.validate_every": 100000}
# Notes the process of each rank and attempt; the program takes the shell's place.
# torchrun halves dollar signs that stand side by side.
NOTE_PID = ('folder=$1; shift; '
            'echo $$$$ >"$folder/pid-$TORCHELASTIC_RESTART_COUNT-$RANK"; exec "$@"')


class SignalTest(CheckpointCase):
    def assert_saves_and_goes_on(self, ranks, number, victim):
        settings = {**ENDLESS, "checkpoint.path": self.root}
        entry = self.arguments({**settings, "output.path": self.folder / "run"})
        with start_ranks([entry] * ranks) as started:
            started.read_until("step 3/")
            started.processes[victim].send_signal(number)
            ended = started.wait()
        self.assertEqual([(one.code, one.err) for one in ended],
                         [(128 + number, "")] * ranks)
        done = len(read_metrics(self.folder / "run"))
        self.assertEqual(saved_steps(ended[0].out), [done])
        self.assertEqual(self.steps(), [done])
        further = {**settings, "train.steps": done + 5}
        self.assertIn(f"resumed from step {done} ", self.says(further, ranks))
        self.says({**ENDLESS, "train.steps": done + 5}, ranks, "whole")
        self.assertEqual(self.losses_of("run"), self.losses_of("whole"))
        self.assertEqual((self.folder / "run" / "model.safetensors").read_bytes(),
                         (self.folder / "whole" / "model.safetensors").read_bytes())

    def test_sigterm_to_a_single_process(self):
        self.assert_saves_and_goes_on(1, signal.SIGTERM, 0)

    def test_sigterm_to_one_rank_of_three(self):
        self.assert_saves_and_goes_on(3, signal.SIGTERM, 2)

    def test_sigint_to_rank_0_of_two(self):
        self.assert_saves_and_goes_on(2, signal.SIGINT, 0)

    def test_sigterm_while_a_save_is_under_way_saves_the_last_step_as_well(self):
        entry = self.arguments({**ENDLESS, "checkpoint.path": self.root,
                                "checkpoint.every_steps": 1,
                                "output.path": self.folder / "run"})
        with start_ranks([entry] * 2) as started:
            started.read_until("saved step 2:")
            started.processes[1].send_signal(signal.SIGTERM)
            ended = started.wait()
        self.assertEqual({one.code for one in ended}, {128 + signal.SIGTERM})
        done = len(read_metrics(self.folder / "run"))
        saved = saved_steps(ended[0].out)
        self.assertEqual(saved[-1], done)
        self.assertEqual(len(saved), len(set(saved)))  # None of them twice.
        self.assertEqual(self.steps()[-1], done)

    def test_sigterm_does_not_wait_long_for_a_peer_that_is_gone(self):
        entry = self.arguments({**ENDLESS, "checkpoint.path": self.root})
        with start_ranks([entry] * 2) as started:
            started.read_until("step 3/")
            started.processes[1].send_signal(signal.SIGSTOP)
            begin = time.monotonic()
            started.processes[0].send_signal(signal.SIGTERM)
            started.processes[0].wait(30)
            seconds = time.monotonic() - begin
            started.processes[1].kill()
            ended = started.wait()
        self.assertLess(seconds, 12)
        self.assertEqual(ended[0].code, 1)
        self.assertIn("missing: rank 1", ended[0].err)
        self.assertEqual(self.steps(), [])


class KillTest(CheckpointCase):
    def test_a_job_killed_while_it_saves_goes_on_from_what_it_has_said_is_saved(self):
        settings = {**ENDLESS, "checkpoint.path": self.root,
                    "checkpoint.every_steps": 2}
        entry = self.arguments({**settings, "output.path": self.folder / "run"})
        with start_ranks([entry]) as started:
            started.read_until("saved step 6:")
            started.processes[0].kill()
            ended = started.wait()[0]
        last = max(saved_steps(ended.out))
        newest = self.steps()[-1]
        self.assertGreaterEqual(newest, last)
        out = self.says({**settings, "train.steps": newest + 4})
        self.assertIn(f"resumed from step {newest} ", out)
        self.says({**ENDLESS, "train.steps": newest + 4}, name="whole")
        self.assertEqual(self.losses_of("run"), self.losses_of("whole"))


@needs_torch
class RestartTest(CheckpointCase):
    STEPS = 150
    RANKS = 2

    def job(self, **changes):
        settings = {**ENDLESS, "train.steps": self.STEPS, "checkpoint.path": self.root,
                    "checkpoint.every_steps": 5, "mesh.timeout_seconds": 20, **changes}
        command = ["/bin/sh", "-c", NOTE_PID, "sh", str(self.folder), PROGRAM,
                   *self.arguments({**settings, "output.path": self.folder / "run"})]
        options = ["--standalone", f"--nproc-per-node={self.RANKS}", "--max-restarts=1",
                   "--monitor-interval=0.1"]
        return Started([torchrun(options, command)], [launcher_environment()])

    def scalars(self):
        text = subprocess.run([sys.executable, READ_EVENTS,
                               self.folder / "run" / "tensorboard"],
                              check=True, capture_output=True, text=True).stdout
        return [line.split() for line in text.splitlines()]

    def test_a_killed_rank_is_restarted_and_the_job_goes_on_without_a_gap(self):
        with self.job() as started:
            started.read_until("saved step 10:")
            victim = int((self.folder / "pid-0-1").read_text())
            os.kill(victim, signal.SIGKILL)
            ended = started.wait()[0]
        self.assertEqual(ended.code, 0, ended.err)
        self.assertRegex(ended.out, r"resumed from step \d+ ")
        self.assertTrue((self.folder / "pid-1-1").exists())
        self.says({**ENDLESS, "train.steps": self.STEPS}, self.RANKS, "whole")
        self.assertEqual(self.losses_of("run"), self.losses_of("whole"))
        self.assert_tensorboard_has_each_step_once()

    def assert_tensorboard_has_each_step_once(self):
        rows = read_metrics(self.folder / "run")
        losses = [(int(step), float(value)) for tag, step, value in self.scalars()
                  if tag == "loss"]
        self.assertEqual([step for step, _ in losses],
                         [int(row["step"]) for row in rows])
        for (_, value), row in zip(losses, rows):  # fp32 in the file
            self.assertAlmostEqual(value / float(row["loss"]), 1, delta=1e-6)
        files = list((self.folder / "run" / "tensorboard").iterdir())
        self.assertEqual(len(files), 2)

    def test_a_job_that_dies_before_its_first_save_begins_again(self):
        with self.job(**{"checkpoint.every_steps": 1000}) as started:
            started.read_until("step 3/")
            os.kill(int((self.folder / "pid-0-1").read_text()), signal.SIGKILL)
            ended = started.wait()[0]
        self.assertEqual(ended.code, 0, ended.err)
        self.assertNotIn("resumed", ended.out)
        self.assertEqual(len(read_metrics(self.folder / "run")), self.STEPS)


if __name__ == "__main__":
    unittest.main()
