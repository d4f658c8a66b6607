"""A job that its launcher starts again goes on from its own newest step."""

import unittest

from checkpoint_case import STEPS, CheckpointCase
from program import PROGRAM, Started, clean_environment, free_port


class RestartTest(CheckpointCase):
    def setUp(self):
        super().setUp()
        self.says({"train.steps": STEPS}, name="whole")
        self.says({**self.saving, "train.stop_after": 5}, name="first")
        self.other = {**self.saving, "checkpoint.path": self.folder / "other"}

    def restarted(self, settings, name):
        """How the second attempt of torchrun's job of one rank ends."""
        environment = {**clean_environment(), "RANK": "0", "WORLD_SIZE": "1",
                       "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()),
                       "TORCHELASTIC_RUN_ID": "1", "TORCHELASTIC_RESTART_COUNT": "1"}
        entry = self.arguments({"output.path": self.folder / name, **settings})
        with Started([[PROGRAM, *entry]], [environment]) as started:
            return started.wait()[0]

    def assert_goes_on(self, settings, name="first"):
        """From step 9, which the first attempt has saved."""
        self.says({**settings, "train.stop_after": 9}, name=name)
        ended = self.restarted(settings, name)
        self.assertEqual((ended.code, ended.err), (0, ""))
        self.assertIn("resumed from step 9 ", ended.out)

    def test_whatever_it_began_from(self):
        self.assert_goes_on({**self.saving, "checkpoint.resume": "step=5"})
        self.assert_same_run("first", "whole")
        self.assert_goes_on({**self.other, "checkpoint.resume": "none"}, "second")
        self.assert_same_run("second", "whole")
        self.assert_goes_on({**self.other, "checkpoint.path": self.folder / "third",
                             "checkpoint.resume": self.step_folder(5)}, "third")

    def test_from_the_same_as_before_if_it_has_saved_nothing(self):
        ended = self.restarted({**self.saving, "checkpoint.resume": "step=5"}, "first")
        self.assertIn("resumed from step 5 ", ended.out)
        ended = self.restarted({**self.other, "checkpoint.resume": "none"}, "second")
        self.assertEqual((ended.code, ended.err), (0, ""))
        self.assertNotIn("resumed", ended.out)

    def test_from_the_same_as_before_where_later_steps_may_be_discarded(self):
        settings = {**self.saving, "checkpoint.discard_later": "true",
                    "checkpoint.resume": "step=5"}
        self.says({**settings, "train.stop_after": 9}, name="first")
        self.assertIn("resumed from step 5 ", self.restarted(settings, "first").out)


if __name__ == "__main__":
    unittest.main()
