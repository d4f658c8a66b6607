"""The picture of a run: who does what when, and whether calls run beside computing."""

import json
import unittest

from failure_case import FailureCase
from launchers import HAS_MPI, mpirun, needs_mpirun, run
from program import PROGRAM, run_ranks, start_ranks

UNITS = ("embedding", "blocks.0", "blocks.1", "head")
COMPUTE = [*(f"forward {unit}" for unit in UNITS),
           *(f"backward {unit}" for unit in reversed(UNITS)), "optimizer"]


class Span:
    def __init__(self, event, tracks):
        self.rank = event["pid"]
        self.track = tracks[event["pid"], event["tid"]]
        self.name = event["name"]
        self.begin, self.end = event["ts"], event["ts"] + event["dur"]

    def overlaps(self, other):
        return self.begin < other.end and other.begin < self.end


def read_spans(path):
    """In order of begin. Fails if the file has anything else but names."""
    events = json.loads(path.read_text())["traceEvents"]
    tracks, spans = {}, []
    for event in events:
        if event["ph"] == "X":
            spans.append(event)
        elif event["name"] == "thread_name":
            tracks[event["pid"], event["tid"]] = event["args"]["name"]
        elif event["args"]["name"] != f"rank {event['pid']}":
            raise AssertionError(f"neither a span nor a name: {event}")
    return sorted((Span(event, tracks) for event in spans), key=lambda span: span.begin)


def of_rank(spans, rank, track):
    return [span for span in spans if (span.rank, span.track) == (rank, track)]


class ProfileCase(FailureCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "profile.json"

    def settings(self, settings):
        return {"train.steps": 6, "profile.path": self.path, "profile.first_step": 3,
                "profile.steps": 2, **settings}

    def profile(self, ranks, settings=None):
        self.train(ranks, self.settings(settings or {}))
        return read_spans(self.path)


class ProfileTest(ProfileCase):
    def test_has_the_computing_and_the_calls_of_every_rank(self):
        spans = self.profile(2)
        self.assertEqual({span.rank for span in spans}, {0, 1})
        for rank in range(2):
            tracks = {span.track for span in spans if span.rank == rank}
            self.assertEqual(tracks, {"compute", "shard", "reduce"})
            self.assertEqual([span.name for span in of_rank(spans, rank, "compute")],
                             COMPUTE * 2)
            for track, calls in (("shard", ("all_gather", "all_reduce")),
                                 ("reduce", ("reduce_scatter",))):
                for span in of_rank(spans, rank, track):
                    self.assertTrue(span.name.startswith(calls), span.name)
                    self.assertIn(f"of '{track}' on rank {rank} of 2", span.name)

    def test_has_the_steps_that_were_asked_for_and_no_other(self):
        # Each of 4 units is reduced once in a step: steps 3 and 4 are calls 9 to 16, of
        # which the last may be known to be over only after recording has ended.
        spans = self.profile(2)
        numbers = [int(span.name.split("#")[1].split()[0])
                   for span in of_rank(spans, 0, "reduce")]
        self.assertEqual(numbers, list(range(9, 9 + len(numbers))))
        self.assertIn(len(numbers), (7, 8))

    def test_ends_with_the_run_where_more_steps_were_asked_for(self):
        spans = self.profile(1, {"profile.first_step": 5, "profile.steps": 100})
        self.assertEqual([span.name for span in of_rank(spans, 0, "compute")],
                         COMPUTE * 2)

    def test_spans_are_in_order_and_within_the_recorded_steps(self):
        spans = self.profile(2)
        for rank in range(2):
            last_end = 0
            for span in of_rank(spans, rank, "compute"):
                self.assertGreaterEqual(span.begin, last_end, span.name)
                self.assertGreater(span.end, span.begin, span.name)
                last_end = span.end
            calls = [span for span in spans
                     if span.rank == rank and span.track != "compute"]
            for span in calls:
                self.assertGreaterEqual(span.begin, 0, span.name)
                self.assertGreaterEqual(span.end, span.begin, span.name)
                # The optimizer comes last, and starts no call.
                self.assertLess(span.begin, last_end, span.name)

    def test_calls_run_beside_computing(self):
        spans = self.profile(2)
        beside = {track: 0 for track in ("shard", "reduce")}
        for rank in range(2):
            compute = of_rank(spans, rank, "compute")
            for track in beside:
                for call in of_rank(spans, rank, track):
                    # A reduction begins when its own unit's backward is over.
                    beside[track] += any(call.overlaps(span) for span in compute)
        print(f"{self.id()}: calls beside other computing: {beside}")
        self.assertGreater(beside["shard"], 0)
        self.assertGreater(beside["reduce"], 0)

    def test_without_overlap_no_unit_computes_while_the_next_is_gathered(self):
        spans = self.profile(2, {"mesh.overlap": "false"})
        for rank in range(2):
            compute = of_rank(spans, rank, "compute")
            gathers = of_rank(spans, rank, "shard")
            self.assertGreater(len(gathers), len(compute) // 2)
            for call in gathers:
                for span in compute:
                    self.assertFalse(span.begin < call.begin < span.end,
                                     f"{call.name} begins within {span.name}")

    def test_of_copies_has_their_sums_under_backward(self):
        spans = self.profile(4, {"mesh.shard": 2, "mesh.replicate": 2})
        beside = 0
        for rank in range(4):
            tracks = {span.track for span in spans if span.rank == rank}
            sums = of_rank(spans, rank, f"replicate/{rank % 2}")
            self.assertEqual(tracks, {"compute", f"shard/{rank // 2}",
                                      f"reduce/{rank // 2}", f"replicate/{rank % 2}",
                                      "world"})
            backward = [span for span in of_rank(spans, rank, "compute")
                        if span.name.startswith("backward")]
            beside += sum(call.overlaps(span) for call in sums for span in backward)
        self.assertGreater(beside, 0)

    def test_of_1_rank_has_its_computing(self):
        spans = self.profile(1)
        self.assertEqual([span.name for span in spans], COMPUTE * 2)

    @needs_mpirun
    @unittest.skipUnless(HAS_MPI, "this build has no MPI")
    def test_over_mpi_has_calls_beside_computing_too(self):
        entry = self.arguments(self.settings({"mesh.backend": "mpi"}))
        ended, = run(mpirun(2, [PROGRAM, *entry]))
        self.assertEqual((ended.code, ended.err), (0, ""))
        spans = read_spans(self.path)
        for rank in range(2):
            compute = of_rank(spans, rank, "compute")
            self.assertEqual(len(compute), 2 * len(COMPUTE))
            calls = of_rank(spans, rank, "shard") + of_rank(spans, rank, "reduce")
            self.assertTrue(any(call.overlaps(span) for call in calls
                                for span in compute))


class FileTest(ProfileCase):
    def test_that_cannot_be_written_is_an_error_on_every_rank(self):
        path = self.folder / "absent" / "profile.json"
        entry = self.arguments(self.settings({"profile.path": path}))
        words = ["profile.path", str(path), "No such file or directory"]
        self.assert_all_failed(run_ranks([entry]), [words])
        self.assert_all_failed(run_ranks([entry] * 2), [words, ["another rank"]])

    def test_is_not_written_where_none_is_asked_for(self):
        folder = self.folder / "work"
        folder.mkdir()
        with start_ranks([self.arguments()] * 2, folders=[folder] * 2) as started:
            ended = started.wait()
        self.assertEqual([(one.code, one.err) for one in ended], [(0, "")] * 2)
        self.assertEqual(list(folder.iterdir()), [])

    def test_replaces_an_older_one(self):
        self.path.write_text("x" * 1_000_000)
        self.assertTrue(self.profile(1))

    def test_first_step_after_the_last(self):
        self.assert_refused(self.settings({"profile.first_step": 7}),
                            "profile.first_step is 7", "up to train.steps, 6",
                            ranks=(1,))


if __name__ == "__main__":
    unittest.main()
