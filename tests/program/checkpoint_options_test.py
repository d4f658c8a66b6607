"""Each option of checkpoints does something, and is refused where it cannot."""

import re
import shutil
import subprocess
import unittest

from case import read_metrics
from checkpoint_case import STEPS, CheckpointCase, saved_steps
from program import PROGRAM, clean_environment, start_ranks

# Small steps and 12 MB of state: a save lasts longer than a step.
LARGE = {"model.layers": 1, "model.dim": 512, "model.hidden": 32, "model.heads": 4,
         "model.context": 2, "train.batch": 2, "train.validate_every": 0,
         "train.steps": 30, "output.log_every": 1, "checkpoint.every_steps": 1}


class WhenTest(CheckpointCase):
    def test_every_steps(self):
        out = self.says({**self.saving, "checkpoint.every_steps": 6})
        self.assertEqual(saved_steps(out), [6, 12, 18, STEPS])

    def test_every_seconds_by_the_clock_of_rank_0(self):
        entry = self.arguments({"train.steps": 100000, "train.validate_every": 100000,
                                "checkpoint.path": self.root, "output.log_every": 1000,
                                "checkpoint.every_seconds": 1})
        with start_ranks([entry] * 2) as started:
            for _ in range(2):
                started.read_until("saved step")
                started.said, said = b"", started.said
                self.assertEqual(len(saved_steps(said.decode())), 1)
            started.processes[0].terminate()
            ended = started.wait()
        self.assertEqual([one.err for one in ended], ["", ""])

    def test_keep_and_keep_every(self):
        every = {**self.saving, "checkpoint.every_steps": 2}
        self.says({**every, "checkpoint.keep": 1}, name="one")
        self.assertEqual(self.steps(), [20])
        shutil.rmtree(self.root)
        self.says({**every, "checkpoint.keep": 2, "checkpoint.keep_every": 8}, name="8")
        self.assertEqual(self.steps(), [8, 16, 18, 20])
        shutil.rmtree(self.root)
        self.says({**every, "checkpoint.keep": 0}, name="all")
        self.assertEqual(self.steps(), list(range(2, 21, 2)))

    def test_async_saves_while_the_next_step_is_trained(self):
        def between(name, how):
            out = self.says({**self.saving, "checkpoint.every_steps": 5,
                             "checkpoint.path": self.folder / f"root-{name}",
                             "checkpoint.async": how, "output.log_every": 1}, name=name)
            lines = [line.split(":")[0].split("  ")[0] for line in out.splitlines()]
            begin = lines.index("step 5/20")
            return lines[begin + 1:lines.index("saved step 5")]
        self.assertEqual(between("sync", "false"), [])
        self.assertGreaterEqual(len(between("async", "true")), 1)


class FailureTest(CheckpointCase):
    def failures(self, ended):
        """What was said of saves; what lies in their way is in retention's, too."""
        return [line for line in ended.err.splitlines()
                if "warning: cannot remove an old step" not in line]

    def test_warn_goes_on_and_the_next_save_may_work(self):
        self.block_step(8)
        for name, how in (("sync", "false"), ("async", "true")):
            ended = self.start({**self.saving, "checkpoint.every_steps": 4,
                                "checkpoint.async": how, "checkpoint.resume": "none",
                                "checkpoint.discard_later": "true"}, 2, name)
            self.assertEqual([one.code for one in ended], [0, 0])
            failures = self.failures(ended[0])
            self.assertEqual(len(failures), 1, ended[0].err)
            self.assertIn("shardopt-train: warning: ", failures[0])
            self.assertIn("step_000000000008", failures[0])
            self.assertEqual(saved_steps(ended[0].out), [4, 12, 16, 20])
            self.assertEqual(ended[1].err, "")

    def test_abort_ends_the_job(self):
        self.block_step(4)
        for ranks in (1, 2):
            out = self.fails({**self.saving, "checkpoint.every_steps": 4,
                              "checkpoint.on_error": "abort"}, "step_000000000004",
                             ranks=ranks, name=f"run-{ranks}")
            self.assertEqual(saved_steps(out), [])

    def test_max_failures_in_a_row_end_the_job(self):
        for step in (4, 12, 16):
            self.block_step(step)
        settings = {**self.saving, "checkpoint.every_steps": 4,
                    "checkpoint.async": "false"}
        ended = self.start({**settings, "checkpoint.max_failures": 2})[0]
        self.assertEqual(ended.code, 1)
        failures = self.failures(ended)
        self.assertEqual(len(failures), 3, ended.err)
        for line, step in zip(failures, (4, 12, 16)):
            self.assertIn(f"step_{step:012}", line)
        self.assertIn("2 save(s) in a row have failed (checkpoint.max_failures 2), the "
                      "last: ", failures[2])
        self.assertEqual(saved_steps(ended.out), [8])
        self.assertEqual(len(read_metrics(self.folder / "run")), 16)
        ended = self.start({**settings, "checkpoint.max_failures": 3})[0]
        self.assertEqual(ended.code, 0)
        self.assertEqual(len(self.failures(ended)), 2, ended.err)
        self.assertEqual(saved_steps(ended.out), [20])

    def test_the_last_save_that_fails_is_an_error_and_weights_are_written(self):
        self.block_step(STEPS)
        self.fails(self.saving, f"step_{STEPS:012}", ranks=2)
        self.assertTrue((self.folder / "run" / "model.safetensors").is_file())
        self.assertEqual(len(read_metrics(self.folder / "run")), STEPS)


class PendingTest(CheckpointCase):
    def setUp(self):
        super().setUp()
        self.large = {**LARGE, "checkpoint.path": self.root, "checkpoint.keep": 1}

    def test_wait_saves_every_step(self):
        out = self.says(self.large)
        self.assertEqual(saved_steps(out), list(range(1, 31)))

    def test_skip_says_which_steps_are_left_out(self):
        out = self.says({**self.large, "checkpoint.pending": "skip"}, 2)
        left_out = [int(step) for step in re.findall(
            r"^step (\d+) is not saved: the save of step \d+ is still under way$", out,
            re.MULTILINE)]
        self.assertTrue(left_out)
        self.assertEqual(sorted(saved_steps(out) + left_out), list(range(1, 31)))

    def test_fail_is_a_failed_save(self):
        self.fails({**self.large, "checkpoint.pending": "fail",
                    "checkpoint.on_error": "abort"}, "is not saved: the save of step",
                   "still under way", ranks=2)


class ResourcesTest(CheckpointCase):
    def test_direct_io_off_goes_through_the_page_cache(self):
        out = self.says({**self.saving, "checkpoint.direct_io": "false"})
        self.assertRegex(out, r"saved step 20: .* ms, buffered\)")

    def small_disk(self, *extra):
        """A job that saves 0.4 MB on a disk of 8 MB, in a namespace of its own."""
        disk = self.folder / "disk"
        disk.mkdir(exist_ok=True)
        inside = f'mount -t tmpfs -o size=8m none "{disk}" && exec "$@"'
        return subprocess.run(
            ["unshare", "-Urm", "/bin/sh", "-c", inside, "sh", PROGRAM,
             *self.arguments({**self.saving, "checkpoint.path": disk / "root"}), *extra],
            capture_output=True, text=True, env=clean_environment(), check=False)

    def test_check_space_leaves_room_on_the_disk(self):
        if subprocess.run(["unshare", "-Urm", "true"], capture_output=True,
                          check=False).returncode != 0:
            self.skipTest("no namespace can be made here")
        ended = self.small_disk()
        self.assertEqual(ended.returncode, 1)
        self.assertRegex(ended.stderr, r"a step needs \d+ bytes .*the disk has \d+ free")
        ended = self.small_disk("--set", "checkpoint.check_space=false")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        self.assertEqual(saved_steps(ended.stdout), [STEPS])

    def test_require_same_ranks_refuses_others(self):
        self.interrupted({}, 2)
        same = {**self.saving, "checkpoint.require_same_ranks": "true"}
        self.fails(same, "2 ranks", "the same are required", ranks=1)
        self.fails({**same, "mesh.replicate": 2}, "the same are required", ranks=2)
        self.assertIn("resumed from step 10 ", self.says(same, 2))


class BadOptionsTest(CheckpointCase):
    def test_what_needs_a_path_is_refused_without_one(self):
        for field, value in (("checkpoint.every_steps", 5),
                             ("checkpoint.every_seconds", 5),
                             ("checkpoint.resume", "step=5"),
                             ("checkpoint.discard_later", "true"),
                             ("train.stop_after", 2)):
            self.assert_refused({field: value}, field, "checkpoint.path is empty",
                                ranks=(1,))

    def test_values_that_are_not_allowed(self):
        for field, value in (("every_steps", -1), ("every_seconds", -1), ("keep", -1),
                             ("keep_every", -1), ("async", "maybe"),
                             ("resume", "step=-1"), ("lock_seconds", -1),
                             ("discard_later", "maybe"), ("on_error", "ignore"),
                             ("max_failures", 0), ("pending", "queue"),
                             ("host_budget_mib", 0), ("max_fallback", -1),
                             ("direct_io", "maybe"), ("check_space", "maybe"),
                             ("require_same_ranks", "maybe")):
            self.assert_refused({"checkpoint.path": self.root,
                                 f"checkpoint.{field}": value},
                                f"checkpoint.{field}", str(value), "allowed: ",
                                ranks=(1,))
        self.assert_refused({"checkpoint.path": self.root, "train.stop_after": 4},
                            "train.stop_after is 4", "train.steps, 3")
        self.assertFalse(self.root.exists())

    def test_patterns_without_an_init(self):
        for field in ("init_allow_missing", "init_ignore", "init_cast"):
            self.assert_refused({f"model.{field}": "model/*"}, f"model.{field}",
                                "model.init is empty", ranks=(1,))


if __name__ == "__main__":
    unittest.main()
