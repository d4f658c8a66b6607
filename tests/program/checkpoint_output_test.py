"""What a job with checkpoints says and writes, and how its parts fit together."""

import subprocess
import sys
import unittest

from case import read_metrics
from checkpoint_case import HALF, STEPS, CheckpointCase, saved_steps
from program import SOURCE_DIR, run_alone

READ_EVENTS = SOURCE_DIR / "tests" / "reference" / "read_events.py"


class LinesTest(CheckpointCase):
    def test_says_what_it_keeps_and_saves_and_from_what_it_goes_on(self):
        out = self.interrupted({"checkpoint.keep": 2})
        self.assertRegex(out, r"(?m)^checkpoints: .*/checkpoints, keep 2 needs room for "
                              r"3 of 0\.4 MB$")
        self.assertRegex(out, r"(?m)^saved step 10: 0\.4 MB in \d+\.\d\d s "
                              r"\(stall \d+ ms(, buffered)?\)$")
        self.assertIn("ended after step 10, as train.stop_after says\n", out)
        out = self.says({**self.saving, "train.steps": 12, "checkpoint.keep": 0,
                         "optimizer.lr": 0.001})
        self.assertIn(f"resumed from step {HALF} ({self.step_folder(HALF)})\n", out)
        self.assertIn("resumed with other settings: optimizer.lr 0.003 -> 0.001, "
                      "train.steps 20 -> 12, train.stop_after 10 -> 0, "
                      "checkpoint.keep 2 -> 0\n", out)
        self.assertRegex(out, r"(?m)^checkpoints: .*, keep 0 keeps all, 0\.4 MB each$")

    def test_the_options_of_the_configuration_hold_not_those_that_were_saved(self):
        self.interrupted({})
        self.says({**self.saving, "optimizer.lr": 0.001})
        rates = [float(row["lr"]) for row in read_metrics(self.folder / "run")]
        self.assertEqual(rates, [0.003] * HALF + [0.001] * HALF)

    def test_a_job_that_is_done_says_so_and_writes_its_weights(self):
        self.says(self.saving)
        weights = self.folder / "run" / "model.safetensors"
        before = weights.read_bytes()
        weights.unlink()
        out = self.says(self.saving)
        self.assertIn("step 20 of 20 is done already: nothing is left to train\n", out)
        self.assertEqual(saved_steps(out), [])
        self.assertEqual(weights.read_bytes(), before)
        self.assertEqual(len(read_metrics(self.folder / "run")), STEPS)

    def test_no_step_is_saved_twice(self):
        out = self.says({**self.saving, "checkpoint.every_steps": 10})
        self.assertEqual(saved_steps(out), [10, 20])
        self.assertEqual(self.steps(), [10, 20])

    def test_without_a_path_nothing_is_saved(self):
        out = self.says({})
        self.assertNotIn("checkpoint", out)
        self.assertEqual({path.name for path in self.folder.iterdir()},
                         {"text.txt", "run"})


class FolderTest(CheckpointCase):
    def test_metrics_and_events_go_on_without_overlap(self):
        self.interrupted({"checkpoint.every_steps": 4})
        metrics = self.folder / "run" / "metrics.csv"
        early = metrics.read_text().splitlines()[:9]
        with metrics.open("a") as file:
            file.write("11,384")  # As a crash may leave it.
        self.says({**self.saving, "checkpoint.resume": "step=8",
                   "checkpoint.discard_later": "true"})
        lines = metrics.read_text().splitlines()
        self.assertEqual(lines[:9], early)
        rows = read_metrics(self.folder / "run")
        self.assertEqual([int(row["step"]) for row in rows], list(range(1, STEPS + 1)))
        self.assertEqual([int(row["tokens"]) for row in rows],
                         [384 * step for step in range(1, STEPS + 1)])
        seconds = [float(row["seconds"]) for row in rows]
        self.assertEqual(seconds, sorted(seconds))
        text = subprocess.run([sys.executable, READ_EVENTS,
                               self.folder / "run" / "tensorboard"],
                              check=True, capture_output=True, text=True).stdout
        losses = [line.split()[1:] for line in text.splitlines()
                  if line.startswith("loss ")]
        self.assertEqual([int(step) for step, _ in losses], list(range(1, STEPS + 1)))
        for (_, value), row in zip(losses, rows):
            self.assertAlmostEqual(float(value) / float(row["loss"]), 1, delta=1e-6)

    def test_a_resumed_run_keeps_its_folder_and_writes_its_configuration_anew(self):
        self.interrupted({})
        (self.folder / "run" / "notes").write_text("mine")
        self.says(self.saving)
        self.assertTrue((self.folder / "run" / "notes").exists())
        config = (self.folder / "run" / "config.txtpb").read_text()
        self.assertIn("stop_after: 0\n", config)
        self.assertEqual(len(list((self.folder / "run" / "tensorboard").iterdir())), 2)

    def test_overwrite_does_not_remove_a_run_that_is_gone_on_with(self):
        self.interrupted({})
        self.says({**self.saving, "output.overwrite": "true"})
        self.assertEqual(len(read_metrics(self.folder / "run")), STEPS)

    def test_a_resumed_run_may_begin_another_folder(self):
        self.interrupted({})
        self.says(self.saving, name="other")
        rows = read_metrics(self.folder / "other")
        self.assertEqual(int(rows[0]["step"]), HALF + 1)

    def test_a_fresh_run_is_refused_a_folder_that_holds_one(self):
        self.interrupted({})
        self.fails({**self.saving, "checkpoint.resume": "none",
                    "checkpoint.discard_later": "true"}, "output.path", "holds a run")
        self.assertEqual(self.steps(), [HALF])

    def test_metrics_with_other_columns_are_left_alone(self):
        self.interrupted({})
        (self.folder / "run" / "metrics.csv").write_text("step,loss\n1,2\n")
        self.fails(self.saving, "metrics.csv", "its columns are others: step,loss")


class StopAfterTest(CheckpointCase):
    def test_the_schedule_aims_at_the_last_step_all_the_same(self):
        schedule = {"schedule.name": "cosine", "schedule.warmup_steps": 0}
        self.says({"train.steps": STEPS, **schedule}, name="whole")
        self.interrupted(schedule)
        rates = [[row["lr"] for row in read_metrics(self.folder / name)]
                 for name in ("run", "whole")]
        self.assertEqual(rates[0], rates[1][:HALF])

    def test_at_the_last_step_it_is_an_ordinary_end(self):
        out = self.says({**self.saving, "train.stop_after": STEPS})
        self.assertNotIn("train.stop_after says", out)
        self.assertEqual(self.steps(), [STEPS])

    def test_a_job_that_is_past_it_ends_at_once(self):
        self.interrupted({})
        out = self.says({**self.saving, "train.stop_after": 5})
        self.assertIn("ended after step 10, as train.stop_after says\n", out)
        self.assertEqual(len(read_metrics(self.folder / "run")), HALF)


class CommandLineTest(CheckpointCase):
    def printed(self, *arguments):
        ended = run_alone([*arguments, "--print-config"])
        self.assertEqual((ended.code, ended.err), (0, ""))
        return ended.out

    def test_resume_and_discard_later_are_short_for_their_fields_and_win(self):
        out = self.printed("--resume", "step=4", "--discard-later", "--set",
                           "checkpoint.resume=none")
        self.assertIn('resume: "step=4"\n', out)
        self.assertIn("discard_later: true\n", out)
        out = self.printed()
        self.assertIn('resume: "auto"\n', out)
        self.assertIn("discard_later: false\n", out)

    def test_resume_does_what_its_field_does(self):
        self.interrupted({"checkpoint.every_steps": 4})
        out = self.says(self.saving, before=("--resume", "step=8", "--discard-later"))
        self.assertIn("resumed from step 8 ", out)

    def test_wrong_ones_are_refused(self):
        ended = run_alone(["--resume"])
        self.assertNotEqual(ended.code, 0)
        self.assertIn("--resume", ended.err + ended.out)
        self.fails(self.saving, "checkpoint.resume is 'step=x'", "step=N",
                   before=("--resume", "step=x"))
        self.fails(self.saving, "checkpoint.resume is empty", before=("--resume", ""))

    def test_help_lists_every_field(self):
        out = run_alone(["--help"]).out
        for field in ("checkpoint.path", "checkpoint.require_same_ranks",
                      "train.stop_after", "model.init", "model.init_cast", "--resume",
                      "--discard-later"):
            self.assertIn(field, out)

    def test_json_says_the_same(self):
        path = self.folder / "config.json"
        path.write_text('{"checkpoint": {"path": "c", "every_steps": 7, "async": false, '
                        '"pending": "skip", "on_error": "abort"}}')
        out = self.printed("--config", str(path))
        for line in ('path: "c"', "every_steps: 7", "async: false", 'pending: "skip"',
                     'on_error: "abort"'):
            self.assertIn(f"  {line}\n", out)


if __name__ == "__main__":
    unittest.main()
