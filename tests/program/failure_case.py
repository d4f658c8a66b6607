"""What tests of failures share: how a run must end that cannot do its work."""

from case import ProgramCase
from program import run_ranks

LIMIT_SECONDS = 20  # Until every rank has ended; also on a busy machine.
BACKTRACE = ("Exception raised from", "frame #", "terminate called", "Traceback")


class FailureCase(ProgramCase):
    def assert_failed(self, ended, words, speaker=None):
        """One rank ended by itself and in time, with one line that has all `words`."""
        self.assertGreater(ended.code, 0, f"{ended}")
        self.assertLess(ended.code, 128, f"{ended}")
        self.assertLess(ended.seconds, LIMIT_SECONDS)
        self.assertEqual(len(ended.err.splitlines()), 1, ended.err)
        begin = "shardopt-train: " + ("" if speaker is None else f"rank {speaker}: ")
        self.assertTrue(ended.err.startswith(begin), ended.err)
        for word in words:
            self.assertIn(word, ended.err)
        for word in BACKTRACE:
            self.assertNotIn(word, ended.err)

    def assert_all_failed(self, ended, words_by_rank):
        for rank, (one, words) in enumerate(zip(ended, words_by_rank, strict=True)):
            with self.subTest(rank=rank):
                self.assert_failed(one, words, rank if len(ended) > 1 else None)

    def assert_refused(self, settings, *words, before=(), ranks=(1, 2)):
        """Every rank, of one and of two, says by itself what is wrong in `settings`.

        Arguments `before` precede the settings.
        """
        entry = [*map(str, before), *self.arguments(settings)]
        for size in ranks:
            with self.subTest(settings=settings, before=before, size=size):
                self.assert_all_failed(run_ranks([entry] * size), [words] * size)
