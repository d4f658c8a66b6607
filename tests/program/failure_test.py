"""Ranks that cannot meet, that disagree, that are lost; losses that are no number."""

import re
import signal
import socket
import time
import unittest

from case import needs_torch, read_metrics
from failure_case import LIMIT_SECONDS, FailureCase
from program import (PROGRAM, Started, clean_environment, free_port, run_alone,
                     run_ranks, run_torchrun, start_ranks, words)

PATIENCE_SECONDS = 3  # mesh.timeout_seconds of runs in which somebody does not come.
ANOTHER = ("another rank",)  # What ranks say whose own part was right.


class LaunchTest(FailureCase):
    def ended(self, *environments, settings=None):
        entry = self.arguments({"mesh.timeout_seconds": PATIENCE_SECONDS,
                                **(settings or {})})
        whole = [{**clean_environment(), **one} for one in environments]
        with Started([[PROGRAM, *entry]] * len(whole), whole) as started:
            return started.wait(LIMIT_SECONDS)

    def meeting(self, port, **settings):
        return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), **settings}

    def test_rank_without_size(self):
        self.assert_failed(*self.ended({"RANK": "0"}), ["RANK is 0", "WORLD_SIZE"])

    def test_size_without_rank(self):
        self.assert_failed(*self.ended({"WORLD_SIZE": "2"}),
                           ["WORLD_SIZE is 2", "RANK"])

    def test_rank_that_is_no_number(self):
        self.assert_failed(*self.ended({"RANK": "one", "WORLD_SIZE": "2"}),
                           ["RANK", "'one'"])

    def test_several_ranks_without_a_port(self):
        self.assert_failed(
            *self.ended({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}),
            ["MASTER_PORT", "not set"])

    def test_rank_beyond_size_ends_the_other_too(self):
        port = free_port()
        first, second = self.ended(self.meeting(port, RANK="0", WORLD_SIZE="2"),
                                   self.meeting(port, RANK="2", WORLD_SIZE="2"))
        self.assert_failed(first, [f"127.0.0.1:{port}"], speaker=0)
        self.assert_failed(second, ["RANK is 2", "0 to 1", "WORLD_SIZE is 2"])

    def test_port_that_another_program_holds_ends_both(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()  # Takes rank 1's connection and never answers.
            port = other.getsockname()[1]
            first, second = self.ended(self.meeting(port, RANK="0", WORLD_SIZE="2"),
                                       self.meeting(port, RANK="1", WORLD_SIZE="2"))
        self.assert_failed(first, [f"MASTER_PORT is {port}", "taken"], speaker=0)
        self.assert_failed(second, [f"127.0.0.1:{port}"], speaker=1)

    def test_port_without_a_rank_0_behind_it(self):
        port = free_port()
        ended, = self.ended(self.meeting(port, RANK="1", WORLD_SIZE="2"))
        self.assert_failed(ended, [f"127.0.0.1:{port}"], speaker=1)


class DisagreementTest(FailureCase):
    def failed(self, first, second, words_by_rank):
        """Of ranks with settings `first` and `second`, each fails with its words."""
        ended = run_ranks([self.arguments(first), self.arguments(second)])
        self.assert_all_failed(ended, words_by_rank)

    def test_two_configurations_name_the_line_that_differs(self):
        self.failed({}, {"optimizer.lr": 0.004},
                    [ANOTHER, ("configuration", "'lr: 0.004'", "'lr: 0.003'")])

    def test_two_numbers_of_steps(self):
        self.failed({"train.steps": 4}, {},
                    [ANOTHER, ("configuration", "'steps: 3'", "'steps: 4'")])

    def test_output_on_one_rank_only(self):
        for first, second in ((self.folder / "run", ""), ("", self.folder / "run")):
            ended = run_ranks([self.arguments({"output.path": first}),
                               self.arguments({"output.path": second})])
            with self.subTest(first=first):
                self.assert_failed(ended[1], ["output"], speaker=1)
                self.assert_failed(ended[0], ANOTHER, speaker=0)

    def test_configuration_invalid_on_one_rank_only(self):
        wrong = {"optimizer.lr": -1}
        self.failed({}, wrong, [("rank 1 failed: ", "optimizer.lr is -1"),
                                ("optimizer.lr", "-1")])
        self.failed(wrong, {}, [("optimizer.lr", "-1"),
                                ("rank 0 failed: ", "optimizer.lr is -1")])

    def elsewhere(self, texts):
        """Ranks in folders of their own, with these texts at one name."""
        folders = [self.folder / f"place{rank}" for rank in range(len(texts))]
        for folder, text in zip(folders, texts):
            folder.mkdir(exist_ok=True)
            (folder / "own.txt").unlink(missing_ok=True)
            if text:
                (folder / "own.txt").write_text(text)
        return run_ranks([self.arguments({"data.path": "own.txt"})] * len(texts),
                         folders=folders)

    def test_text_missing_on_one_rank_only(self):
        text, missing = words(1000), ("data.path", "own.txt", "No such file")
        self.assert_all_failed(self.elsewhere([text, text, ""]),
                               [ANOTHER, ANOTHER, missing])
        self.assert_all_failed(self.elsewhere(["", text, text]),
                               [missing, ANOTHER, ANOTHER])

    def test_text_that_differs_in_one_byte(self):
        text = words(1000)
        self.assert_all_failed(self.elsewhere([text, text[:-1] + "."]),
                               [ANOTHER, ("data.path", "differs", "checksum")])


class LostRankTest(FailureCase):
    def assert_other_ends(self, lost, number):
        entry = self.arguments({"train.steps": 100000, "train.validate_every": 100000,
                                "output.log_every": 1,
                                "mesh.timeout_seconds": PATIENCE_SECONDS})
        with start_ranks([entry] * 2) as started:
            started.read_until("step 3/")
            started.processes[lost].send_signal(number)
            started.processes[1 - lost].wait(LIMIT_SECONDS)
            started.processes[lost].kill()
            ended = started.wait()
        self.assert_failed(ended[1 - lost], [f"on rank {1 - lost} of 2 failed"],
                           speaker=1 - lost)
        self.assertEqual(ended[lost].code, -signal.SIGKILL)

    def test_a_killed_rank_ends_the_other(self):
        for lost in (0, 1):
            with self.subTest(lost=lost):
                self.assert_other_ends(lost, signal.SIGKILL)

    def test_a_stopped_rank_ends_the_other_after_the_timeout(self):
        for lost in (0, 1):
            with self.subTest(lost=lost):
                self.assert_other_ends(lost, signal.SIGSTOP)


class LateRankTest(FailureCase):
    LOOK_AFTER_SECONDS = 5  # Of a timeout of a minute.

    def test_a_rank_that_is_late_is_named_while_the_others_wait(self):
        entry = self.arguments({"train.steps": 100000, "train.validate_every": 100000,
                                "output.log_every": 1, "mesh.timeout_seconds": 60})
        with start_ranks([entry] * 3) as started:
            started.read_until("step 3/")
            late = started.processes[1]
            late.send_signal(signal.SIGSTOP)
            time.sleep(self.LOOK_AFTER_SECONDS + 2)
            late.send_signal(signal.SIGCONT)
            step = len(re.findall(r"^step ", started.texts(0)[0], re.M))
            started.read_until(f"step {step + 20}/")  # They go on.
            late.send_signal(signal.SIGTERM)
            ended = started.wait()
        self.assertEqual([one.code for one in ended], [128 + signal.SIGTERM] * 3)
        for rank in (0, 2):
            self.assertRegex(
                ended[rank].err,
                rf"^shardopt-train: rank {rank} waits: \w+ #\d+ of '\w+' on rank {rank} "
                r"of 3 has waited \d s; missing: rank \d \((no sign of life|alive).*\)\n$")
        # The other one may wait for a rank that waits for the late one itself.
        self.assertIn("missing: rank 1 (", ended[0].err + ended[2].err)
        self.assertEqual(ended[1].err, "")


class NotFiniteTest(FailureCase):
    """An lr of 1e30 leaves weights with which no gradient is a number."""

    def failed(self, settings, *words):
        """The rows of metrics of a run that fails with `words`, on 1 and on 2 ranks."""
        rows = []
        for ranks in (1, 2):
            output = self.folder / f"run-{ranks}"
            entry = self.arguments({"optimizer.lr": 1e30, "train.steps": 20,
                                    "output.path": output, **settings})
            self.assert_all_failed(run_ranks([entry] * ranks), [words] * ranks)
            rows.append(len(read_metrics(output)))
        return rows

    def test_stop_ends_the_run_in_the_step_of_the_first(self):
        rows = self.failed({"train.non_finite": "stop"}, "nan", "train.non_finite",
                           "'stop'", "step 2")
        self.assertEqual(rows, [1, 1])

    def test_skip_ends_the_run_after_as_many_as_are_allowed(self):
        rows = self.failed({"train.max_skipped": 2}, "nan", "train.max_skipped 2",
                           "step 4")
        # Step 1 was right; 2 and 3 were skipped; 4 is one too many.
        self.assertEqual(rows, [3, 3])

    def test_skipped_steps_leave_the_weights_as_they_were(self):
        weights = []
        for steps in (1, 4):
            output = self.folder / f"run-{steps}"
            ended = run_alone(self.arguments({
                "optimizer.lr": 1e30, "train.steps": steps, "output.path": output,
                "train.max_skipped": 10}))
            self.assertIn("step 4 skipped" if steps == 4 else "step 1/1", ended.out)
            # A run whose last steps did nothing has not done its work.
            self.assertEqual(ended.code, 1 if steps == 4 else 0)
            self.assertEqual("the last 3 step(s) were skipped" in ended.err, steps == 4)
            weights.append((output / "model.safetensors").read_bytes())
        self.assertEqual(weights[0], weights[1])


@needs_torch
class TorchrunFailureTest(FailureCase):
    def test_torchrun_fails_and_shows_the_cause(self):
        ended = run_torchrun(2, [PROGRAM, *self.arguments({"optimizer.lr": -1})])
        self.assertNotEqual(ended.code, 0)
        self.assertIn("rank 0: --set optimizer.lr=-1: optimizer.lr is -1", ended.err)
        # Its own summary, from the error file.
        self.assertIn("Root Cause", ended.err)
        self.assertRegex(ended.err.split("Root Cause")[1], "optimizer.lr is -1")


if __name__ == "__main__":
    unittest.main()
