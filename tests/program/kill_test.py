"""Ranks killed while they save: nothing acknowledged is lost, nothing wrong is loaded."""

import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time
import unittest

from program import free_port, rank_environment

PROGRAM = os.environ["SHARDOPT_KILL_PROGRAM"]
RANKS = 3
STEPS = 400  # More than any run gets to.
KILLS = 20
CALLS = (2, 8, 17, 30, 47, 68, 80, 95)
TIMEOUT_SECONDS = 60
VICTIMS = ("rank 0", "one rank", "all")


class Job:
    """`ranks` processes that save into `root`."""

    def __init__(self, root, ranks, steps, *extra):
        port = free_port()
        self.processes = [
            subprocess.Popen([PROGRAM, root, str(steps), *map(str, extra)],
                             env=rank_environment(rank, ranks, port),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for rank in range(ranks)]
        self.first_line = ""

    def wait_until_loaded(self):
        """Until rank 0 begins to save, or has ended."""
        self.first_line = self.processes[0].stdout.readline()

    def kill(self, victim, rng):
        """Sends SIGKILL to the rank or ranks of that name."""
        chosen = {"rank 0": self.processes[:1], "all": self.processes,
                  "one rank": [rng.choice(self.processes[1:])]}[victim]
        for process in chosen:
            process.send_signal(signal.SIGKILL)

    def end(self):
        """Waits for all; (steps that were acknowledged, step loaded, all errors)."""
        ended = [process.communicate(timeout=TIMEOUT_SECONDS) for process in self.processes]
        steps = {"saved": [0], "loaded": []}
        for line in (self.first_line + ended[0][0]).splitlines():
            what, _, step = line.partition(" ")
            if step.isdigit():
                steps[what].append(int(step))
        return steps["saved"], steps["loaded"], "".join(err for _, err in ended)


def garbage(root):
    """What only a dead attempt leaves: temporaries, and attempts that no MANIFEST names."""
    found = [path for path in pathlib.Path(root).rglob("*.tmp.*")]
    for step in pathlib.Path(root).glob("step_*"):
        if not (step / "MANIFEST").exists():
            found.append(step)
        attempts = list(step.glob("a-*"))
        found += attempts[1:] if len(attempts) > 1 else []
    return found


class Table:
    """Counts what became of kills into one root."""

    def __init__(self, root, seed):
        self.root, self.rng = root, random.Random(seed)
        self.acknowledged = 0
        self.kills = self.lost = self.wrong = 0
        self.problems = []

    def check(self, err):
        """Loads and checks the newest step; saves one more, which removes garbage."""
        saved, loaded, check_err = Job(self.root, 1, 1).end()
        if "WRONG" in err + check_err or not loaded:
            self.wrong += 1
            self.problems.append(err + check_err)
        elif loaded[0] < self.acknowledged:
            self.lost += 1
            self.problems.append(f"step {self.acknowledged} was acknowledged, "
                                 f"step {loaded[0]} loaded\n{err}")
        left = garbage(self.root)
        if left:
            self.problems.append(f"garbage after the next save: {left}")
        self.acknowledged = max([self.acknowledged, *saved])

    def kill_at_random(self, victim):
        job = Job(self.root, RANKS, STEPS)
        job.wait_until_loaded()
        time.sleep(self.rng.uniform(0.0, 0.3))
        job.kill(victim, self.rng)
        self.finish(job)

    def kill_at_call(self, rank, call):
        self.finish(Job(self.root, RANKS, STEPS, rank, call))

    def finish(self, job):
        saved, _, err = job.end()
        self.kills += 1
        self.acknowledged = max(self.acknowledged, *saved)
        self.check(err)


def run_random(kills, seed):
    with tempfile.TemporaryDirectory() as root:
        table = Table(root, seed)
        for i in range(kills):
            table.kill_at_random(VICTIMS[i % len(VICTIMS)])
    return table


class KillTest(unittest.TestCase):
    def expect_sound(self, table, kills):
        self.assertEqual(table.kills, kills)
        self.assertEqual((table.lost, table.wrong, table.problems), (0, 0, []))
        self.assertGreater(table.acknowledged, 0)

    def test_random_kills_lose_nothing(self):
        self.expect_sound(run_random(KILLS, seed=1), KILLS)

    def test_a_kill_at_any_call_to_the_file_system_loses_nothing(self):
        with tempfile.TemporaryDirectory() as root:
            table = Table(root, seed=2)
            for i, call in enumerate(CALLS):
                table.kill_at_call(0 if i % 3 else 1, call)
        self.expect_sound(table, len(CALLS))


if __name__ == "__main__":
    unittest.main()
