"""A rank that stands still while ranks save: waited for, or named after the timeout."""

import os
import signal
import subprocess
import tempfile
import time
import unittest

from program import free_port, rank_environment

PROGRAM = os.environ["SHARDOPT_KILL_PROGRAM"]
RANKS = 3
STEPS = 100000  # More than any run gets to.
PAUSE_SECONDS = 2  # Less than the program's ranks wait for each other
PATIENCE_SECONDS = 30  # More than that


class StopTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        port = free_port()
        self.ranks = [
            subprocess.Popen([PROGRAM, self.root, str(STEPS)],
                             env=rank_environment(rank, RANKS, port),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for rank in range(RANKS)]
        self.addCleanup(self.kill_all)

    def kill_all(self):
        for rank in self.ranks:
            rank.kill()
            rank.communicate()

    def wait_for_saves(self, count):
        """Reads until rank 0 has said "saved" so often; the last step."""
        step = 0
        while count > 0:
            what, _, number = self.ranks[0].stdout.readline().partition(" ")
            self.assertIn(what, ("loaded", "saved"))
            step = int(number)
            count -= what == "saved"
        return step

    def test_a_rank_that_stands_still_for_a_while_is_waited_for(self):
        before = self.wait_for_saves(3)
        self.ranks[1].send_signal(signal.SIGSTOP)
        time.sleep(PAUSE_SECONDS)
        self.ranks[1].send_signal(signal.SIGCONT)

        self.assertGreater(self.wait_for_saves(20), before)
        self.assertEqual([rank.poll() for rank in self.ranks], [None] * RANKS)

    def test_a_rank_that_stands_still_for_good_is_named_and_costs_no_step(self):
        self.wait_for_saves(3)
        self.ranks[1].send_signal(signal.SIGSTOP)
        out, err = self.ranks[0].communicate(timeout=PATIENCE_SECONDS)
        acknowledged = [int(line.split()[1]) for line in out.splitlines()]

        self.assertEqual(self.ranks[0].returncode, 1)
        self.assertIn("missing: rank 1 ", err)
        again = subprocess.run([PROGRAM, self.root, "0"], capture_output=True, text=True,
                               env=rank_environment(0, 1, free_port()),
                               timeout=PATIENCE_SECONDS)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertGreaterEqual(int(again.stdout.split()[1]), max([3, *acknowledged]))


if __name__ == "__main__":
    unittest.main()
