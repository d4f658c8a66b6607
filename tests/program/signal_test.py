"""A signal to any rank ends all of them after the same step, every file complete."""

import signal
import time
import unittest

from safetensors.numpy import load_file

from case import ProgramCase, needs_torch, read_metrics
from program import PROGRAM, start_ranks, start_torchrun

RANKS = 3
ENDLESS = {"train.steps": 100000, "train.validate_every": 100000, "output.log_every": 1}
# Notes the exit code of each rank, which torchrun does not tell. A shell with a trap
# outlives the signal, and what it starts has the signal's usual action.
NOTE_CODE = 'folder=$1; shift; trap : TERM; "$@"; echo $? >"$folder/code$RANK"'


class SignalCase(ProgramCase):
    def setUp(self):
        super().setUp()
        self.output = self.folder / "run"
        self.endless = self.arguments({**ENDLESS, "output.path": self.output})

    def assert_ended_by(self, number, out):
        """Rank 0 said so, and the files are those of a run that ends by itself."""
        self.assertIn(f"ended early by signal {number}\n", out)
        rows = read_metrics(self.output)
        self.assertGreaterEqual(len(rows), 3)
        self.assertEqual([int(row["step"]) for row in rows],
                         list(range(1, len(rows) + 1)))
        self.assertNotIn(None, rows[-1].values())  # The last row has all its cells.
        # The log's last step is the last row: nobody went on alone.
        self.assertIn(f"\nstep {len(rows)}/", out)
        self.assertNotIn(f"\nstep {len(rows) + 1}/", out)
        weights = load_file(self.output / "model.safetensors")
        self.assertEqual(weights["blocks.1.proj.weight"].shape, (32, 32))
        self.assertTrue((self.output / "config.txtpb").stat().st_size > 0)


class SignalTest(SignalCase):
    def assert_ends_all_ranks(self, signals):
        """`signals` are those to send: pairs of a rank and a number."""
        with start_ranks([self.endless] * RANKS) as started:
            started.read_until("step 3/")
            for rank, number in signals:
                started.processes[rank].send_signal(number)
            ended = started.wait()
        codes = {one.code for one in ended}
        self.assertEqual(len(codes), 1, ended)
        number = codes.pop() - 128
        self.assertIn(number, {number for _, number in signals})
        self.assertEqual([one.err for one in ended], [""] * RANKS)
        self.assertEqual([one.out for one in ended[1:]], [""] * (RANKS - 1))
        self.assert_ended_by(int(number), ended[0].out)

    def test_sigterm_to_one_rank_ends_all(self):
        self.assert_ends_all_ranks([(2, signal.SIGTERM)])

    def test_sigint_to_one_rank_ends_all(self):
        self.assert_ends_all_ranks([(1, signal.SIGINT)])

    def test_sigterm_to_rank_0_ends_all(self):
        self.assert_ends_all_ranks([(0, signal.SIGTERM)])

    def test_sigint_to_all_ranks_as_a_terminal_sends_it_ends_all(self):
        self.assert_ends_all_ranks([(rank, signal.SIGINT) for rank in range(RANKS)])

    def test_two_signals_to_two_ranks_end_all_with_one_exit_code(self):
        self.assert_ends_all_ranks([(1, signal.SIGTERM), (2, signal.SIGINT)])

    def test_a_run_without_a_launcher_ends_alike(self):
        with start_ranks([self.endless]) as started:
            started.read_until("step 3/")
            started.processes[0].send_signal(signal.SIGTERM)
            ended = started.wait()[0]
        self.assertEqual((ended.code, ended.err), (128 + signal.SIGTERM, ""))
        self.assert_ended_by(int(signal.SIGTERM), ended.out)


class LostPeerTest(SignalCase):
    WAIT_SECONDS = 5  # The longest wait from SIGTERM on.
    LIMIT_SECONDS = 8  # That, a second, and the end of a process.

    def lose_a_peer(self, pause_seconds):
        """Seconds from SIGTERM, `pause_seconds` after a peer was stopped, to the end of
        the others; and how they ended."""
        entry = [*self.endless, "--set", "mesh.timeout_seconds=300"]
        with start_ranks([entry] * RANKS) as started:
            started.read_until("step 3/")
            started.processes[1].send_signal(signal.SIGSTOP)
            time.sleep(pause_seconds)
            begin = time.monotonic()
            for rank in (0, 2):
                started.processes[rank].send_signal(signal.SIGTERM)
            for rank in (0, 2):
                started.processes[rank].wait(3 * self.LIMIT_SECONDS)
            seconds = time.monotonic() - begin
            started.processes[1].kill()
            ended = started.wait()
        return seconds, [ended[0], ended[2]]

    def test_after_sigterm_nobody_waits_long_for_a_lost_peer(self):
        seconds, others = self.lose_a_peer(pause_seconds=0)
        self.assertLess(seconds, self.LIMIT_SECONDS)
        for one in others:
            self.assertEqual(one.code, 1)
            self.assertIn("missing: rank 1 (no sign of life", one.err)

    def test_sigterm_after_a_peer_was_lost_ends_the_wait_for_it(self):
        seconds, others = self.lose_a_peer(pause_seconds=2)  # They wait by then.
        self.assertLess(seconds, self.LIMIT_SECONDS)
        self.assertGreater(seconds, self.WAIT_SECONDS - 1)
        self.assertEqual([one.code for one in others], [1, 1])


@needs_torch
class TorchrunSignalTest(SignalCase):
    def test_sigterm_to_torchrun_ends_all_ranks(self):
        command = ["/bin/sh", "-c", NOTE_CODE, "sh", str(self.folder), PROGRAM,
                   *self.endless]
        with start_torchrun(RANKS, command) as started:
            started.read_until("step 3/")
            started.processes[0].send_signal(signal.SIGTERM)
            ended = started.wait()[0]
        self.assertNotEqual(ended.code, 0)
        codes = [int((self.folder / f"code{rank}").read_text())
                 for rank in range(RANKS)]
        self.assertEqual(codes, [128 + signal.SIGTERM] * RANKS)
        self.assert_ended_by(int(signal.SIGTERM), ended.out)


if __name__ == "__main__":
    unittest.main()
