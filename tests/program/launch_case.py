"""What tests of launchers share: ranks that show what they understood, and train."""

import re

from case import read_losses
from failure_case import FailureCase
from program import PROGRAM, run_alone

SHOWN = ("launcher", "rank", "size", "local rank", "local size", "store", "restart",
         "backend", "device", "threads")
SHOWN_TEXT = re.compile("".join(f"^{name}: (.*)\n" for name in SHOWN), re.MULTILINE)
# Gradients of ranks are summed in another order than those of one batch.
ORDER_TOLERANCE = 1e-6
# What a launcher starts in the program's place.
SHOW_AND_TRAIN = '"$@" --show-launch && exec "$@"'


class LaunchCase(FailureCase):
    def program(self, *extra, **settings):
        """The command of a run with `settings`, dots of paths written as __."""
        return [PROGRAM, *self.arguments({path.replace("__", "."): value
                                          for path, value in settings.items()}), *extra]

    def showing(self, **settings):
        return self.program("--show-launch", **settings)

    def showing_and_training(self):
        return ["/bin/sh", "-c", SHOW_AND_TRAIN, "sh",
                *self.program(output__path=self.folder / "run")]

    def shown(self, text):
        """What each rank has shown, in order of rank: dicts of texts by name."""
        blocks = [dict(zip(SHOWN, values)) for values in SHOWN_TEXT.findall(text)]
        return sorted(blocks, key=lambda block: int(block["rank"]))

    def assert_shown(self, text, launcher, ranks, store, local_size=None, **changes):
        """Every rank of `ranks` has; `store` is a pattern."""
        blocks = self.shown(text)
        self.assertEqual([block["rank"] for block in blocks],
                         [str(rank) for rank in range(ranks)], text)
        local_size = local_size or ranks
        for rank, block in enumerate(blocks):
            self.assertRegex(block.pop("store"), f"^{store}$")
            self.assertEqual(block, {
                "launcher": launcher, "rank": str(rank), "size": str(ranks),
                "local rank": str(rank % local_size), "local size": str(local_size),
                "restart": "0", "backend": "gloo" if ranks > 1 else "none",
                "device": "cpu", "threads": "1", **changes})

    def assert_trained(self, text, launcher, ranks):
        """With the losses of a run without a launcher."""
        name = "1 rank" if ranks == 1 else f"{ranks} ranks"
        self.assertIn(f"{name} (launcher: {launcher})", text)
        alone = self.folder / "alone"
        ended = run_alone(self.arguments({"output.path": alone}))
        self.assertEqual((ended.code, ended.err), (0, ""))
        self.assert_near(read_losses(self.folder / "run"), read_losses(alone),
                         ORDER_TOLERANCE)

    def assert_shows_and_trains(self, ended, launcher, ranks, store, **shown):
        for one in ended:
            self.assertEqual(one.code, 0, one)
        text = "".join(one.out for one in ended)
        self.assert_shown(text, launcher, ranks, store, **shown)
        self.assert_trained(text, launcher, ranks)
