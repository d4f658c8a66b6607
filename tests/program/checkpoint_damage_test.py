"""What a job must not go on from, and what it must not lose."""

import os
import unittest

from case import read_metrics
from checkpoint_case import HALF, CheckpointCase, saved_steps, steps_in
from program import run_ranks, start_ranks, words

FOUR = {"checkpoint.every_steps": 4, "checkpoint.keep": 0}  # Steps 4, 8 and 10.


class OtherJobTest(CheckpointCase):
    def setUp(self):
        super().setUp()
        self.interrupted({})

    def assert_refused(self, settings, *words, ranks=(1, 2)):
        for size in ranks:
            self.fails({**self.saving, **settings}, *words, ranks=size)
        self.assertEqual(self.steps(), [HALF])

    def test_a_replaced_text(self):
        self.text.write_text(words(11000, seed=1)[:self.text.stat().st_size])
        self.assert_refused({}, "the text at data.path has been replaced", "checksum is")

    def test_a_text_that_has_grown(self):
        with self.text.open("a") as file:
            file.write("more")
        self.assert_refused({}, "the text at data.path has been replaced: its size is ")

    def test_a_text_of_the_same_bytes_elsewhere_will_do(self):
        moved = self.folder / "moved.txt"
        self.text.rename(moved)
        out = self.says({**self.saving, "data.path": moved})
        self.assertIn("resumed with other settings: data.path ", out)

    def test_other_samples(self):
        self.assert_refused({"train.seed": 2, "data.order": "sequential"},
                            "train.seed is 2, there 1",
                            "data.order is sequential, there shuffled")
        self.assert_refused({"model.context": 16}, "model.context is 16, there 32")
        self.assert_refused({"data.validation_fraction": 0.2},
                            "data.validation_fraction", ranks=(1,))

    def test_another_optimizer_model_and_groups(self):
        self.assert_refused({"optimizer.name": "lion"}, "optimizer 'lion'")
        self.assert_refused({"model.dim": 64}, "tok_embedding.weight")
        self.assert_refused({"model.layers": 3}, "blocks.2.", ranks=(1,))
        self.assert_refused({"optimizer.group[0].pattern": "w1"}, "group", ranks=(1,))

    def test_another_batch_goes_on_at_the_next_sample(self):
        out = self.says({**self.saving, "train.batch": 24})
        self.assertIn("train.batch 12 -> 24", out)
        tokens = [int(row["tokens"]) for row in read_metrics(self.folder / "run")]
        self.assertEqual(tokens[HALF - 1:HALF + 1], [384 * HALF, 384 * HALF + 768])

    def test_a_file_is_no_checkpoint(self):
        self.assert_refused({"checkpoint.resume": self.text}, "text.txt", ranks=(1,))


class DamageTest(CheckpointCase):
    def setUp(self):
        super().setUp()
        self.interrupted(FOUR)
        self.assertEqual(self.steps(), [4, 8, 10])

    def cut_manifest(self, step):
        path = self.step_folder(step) / "MANIFEST"
        path.write_bytes(path.read_bytes()[:-1])

    def assert_falls_back(self, ranks, name):
        out = self.says({**self.saving, **FOUR}, ranks, warnings=[name])
        self.assertIn("resumed from step 8 ", out)
        # The damaged one never comes back.
        self.assertEqual(saved_steps(out), [12, 16, 20])
        self.assertEqual(self.steps(), [4, 8, 12, 16, 20])

    def test_a_flipped_bit_falls_back_by_a_step_and_says_so(self):
        self.assert_falls_back(2, self.flip_bit(10).name)

    def test_a_cut_manifest_falls_back_by_a_step_and_says_so(self):
        self.cut_manifest(10)
        self.assert_falls_back(1, "step_000000000010/MANIFEST")

    def test_a_missing_file_falls_back_by_a_step_and_says_so(self):
        path = self.data_files(10)[0]
        path.unlink()
        self.assert_falls_back(1, path.name)

    def test_two_damaged_steps_are_an_error_unless_two_may_be_passed_over(self):
        self.flip_bit(10)
        self.cut_manifest(8)
        for ranks in (1, 2):
            self.fails({**self.saving, **FOUR}, "is damaged", "step_000000000010",
                       "2 damaged, at most 1", ranks=ranks)
        out = self.says({**self.saving, **FOUR, "checkpoint.max_fallback": 2},
                        warnings=["step_000000000010", "step_000000000008"])
        self.assertIn("resumed from step 4 ", out)

    def test_no_damaged_step_is_passed_over_where_none_may_be(self):
        self.flip_bit(10)
        self.fails({**self.saving, "checkpoint.max_fallback": 0}, "is damaged",
                   "at most 0")

    def test_a_damaged_step_that_is_asked_for_is_an_error(self):
        path = self.flip_bit(8)
        self.fails({**self.saving, "checkpoint.resume": "step=8",
                    "checkpoint.discard_later": "true"}, path.name, ranks=2)
        self.fails({**self.saving, "checkpoint.resume": "step=7"}, "step_000000000007",
                   ranks=2)
        self.assertEqual(self.steps(), [4, 8, 10])

    def test_nothing_but_damaged_steps_is_no_fresh_start(self):
        for step in (4, 8, 10):
            self.cut_manifest(step)
        self.fails({**self.saving, "checkpoint.max_fallback": 9}, "is damaged")

    def test_a_copy_of_the_root_will_do(self):
        copy = self.copy_root("copy")
        for path in copy.rglob("*"):
            os.utime(path, (1, 1))
        out = self.says({**self.saving, "checkpoint.path": copy}, 2)
        self.assertIn("resumed from step 10 ", out)


class BranchTest(CheckpointCase):
    def setUp(self):
        super().setUp()
        self.interrupted(FOUR)

    def test_an_earlier_step_needs_leave_to_discard_later_ones(self):
        for resume in ("step=4", "none"):
            for ranks in (1, 2):
                self.fails({**self.saving, "checkpoint.resume": resume}, "later steps",
                           "10", "checkpoint.discard_later", ranks=ranks)
        self.assertEqual(self.steps(), [4, 8, 10])
        out = self.says({**self.saving, "checkpoint.resume": "step=4",
                         "checkpoint.discard_later": "true", "train.steps": 6})
        self.assertIn("resumed from step 4 ", out)
        self.assertEqual(self.steps(), [4, 6])
        out = self.says({**self.saving, "train.steps": 7})
        self.assertIn("resumed from step 6 ", out)

    def test_none_begins_afresh(self):
        out = self.says({**self.saving, "checkpoint.resume": "none", "train.steps": 3,
                         "checkpoint.discard_later": "true"}, name="fresh")
        self.assertNotIn("resumed", out)
        self.assertIn("step 1/3", out)
        self.assertEqual(self.steps(), [3])

    def test_later_steps_stay_until_something_is_saved(self):
        self.block_step(12)
        self.fails({**self.saving, "checkpoint.resume": "none", "train.steps": 12,
                    "checkpoint.discard_later": "true"}, "step_000000000012",
                   name="fresh")
        self.assertEqual(self.steps(), [4, 8, 10])

    def test_a_path_is_gone_on_from_and_left_alone(self):
        for number, path in enumerate((self.root, self.step_folder(10))):
            own = self.folder / f"own-{number}"
            out = self.says({"train.steps": 12, "checkpoint.path": own,
                             "checkpoint.resume": path}, 2, f"run-{number}")
            self.assertIn(f"resumed from step 10 ({self.step_folder(10)})", out)
            self.assertEqual(steps_in(own), [12])
        self.assertEqual(self.steps(), [4, 8, 10])

    def test_a_path_without_checkpoints_is_refused(self):
        (self.folder / "bare").mkdir()
        for path, said in (("bare", "it holds no checkpoint"),
                           ("absent", "No such file")):
            self.fails({**self.saving, "checkpoint.resume": self.folder / path}, path,
                       said, ranks=2)


class TwoJobsTest(CheckpointCase):
    ENDLESS = {"train.steps": 100000, "output.log_every": 1,
               "train.validate_every": 100000}

    def start_endless(self):
        return start_ranks([self.arguments({**self.ENDLESS,
                                            "checkpoint.path": self.root})])

    def test_the_second_names_the_first_and_changes_nothing(self):
        with self.start_endless() as started:
            started.read_until("step 3/")
            for ranks in (1, 2):
                self.fails({**self.saving, "checkpoint.lock_seconds": 0},
                           "another job has it", str(started.processes[0].pid), ranks=ranks)
        self.assertEqual(len(self.steps()), 1)

    def test_the_second_waits_as_long_as_it_may(self):
        with self.start_endless() as first:
            first.read_until("step 3/")
            entry = self.arguments({**self.saving, "checkpoint.lock_seconds": 60,
                                    "checkpoint.resume": "none",
                                    "checkpoint.discard_later": "true"})
            with start_ranks([entry]) as second:
                second.read_until("group ")
                first.processes[0].terminate()
                first.wait()
                ended = second.wait()[0]
        self.assertEqual((ended.code, ended.err), (0, ""))
        self.assertEqual(saved_steps(ended.out), [20])


class BadRootTest(CheckpointCase):
    def test_a_file(self):
        entry = self.arguments({**self.saving, "checkpoint.path": self.text})
        for ranks in (1, 2):
            self.assert_all_failed(run_ranks([entry] * ranks), [["text.txt"]] * ranks)

    def test_below_a_file(self):
        self.fails({**self.saving, "checkpoint.path": self.text / "root"},
                   "text.txt", ranks=2)


if __name__ == "__main__":
    unittest.main()
