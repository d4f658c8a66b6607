"""A rank that fails, in every way there is, under every backend: how its peers end."""

import dataclasses
import math
import os
import re
import statistics
import unittest

from launchers import HAS_MPI, launcher_environment, mpirun
from program import Started, free_port, rank_environment

PROGRAM = os.environ["SHARDOPT_FAILURE_PROGRAM"]
RANKS = 3
VICTIM = RANKS - 1  # The last rank is the one at fault.
TIMEOUT_SECONDS = 2  # mesh.timeout_seconds
ALLOWED_SECONDS = TIMEOUT_SECONDS + 1
END_SECONDS = 20  # Until every process has ended; the slow one sleeps first.
CALL = r"all_gather #39 of 'shard' on rank {rank} of 3 failed: "


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    words: str  # What a peer says of the rank at fault; a regular expression.
    checked: bool = False
    backends: tuple = ("gloo", "mpi")


FAULTS = [
    # mpirun ends a job that has lost a process before its ranks notice.
    Fault("kill", "rank 2 .no sign of life for", backends=("gloo",)),
    Fault("exit", "rank 2 .no sign of life for", backends=("gloo",)),
    Fault("stop", "rank 2 .no sign of life for"),
    Fault("slow", "rank 2 .alive, its last call there is #38"),
    Fault("exception", "rank 2 failed: made up, with code 42"),
    Fault("leave", "rank 2 .has left.", backends=("gloo",)),
    Fault("call", "rank 2 .calls barrier."),
    # Another size, unchecked: inside OpenMPI that may write into memory it has freed.
    Fault("order", "rank 2 .calls all_reduce", backends=("gloo",)),
    Fault("shape", "rank 2 called all_gather of Float .500, 8.", checked=True),
    Fault("call", "rank 2 called barrier", checked=True),
    Fault("order", "rank 2 called all_reduce", checked=True),
]


@dataclasses.dataclass
class Outcome:
    codes: list
    seconds: dict  # By rank that failed: from the fault to its error.
    lines: dict  # By rank: what it said on standard error.


def arguments(fault, backend):
    check = ["check"] if fault.checked else []
    return [PROGRAM, backend, fault.name, str(TIMEOUT_SECONDS), *check]


def start(fault, backend):
    command = arguments(fault, backend)
    if backend == "mpi":
        return Started([mpirun(RANKS, command)], [launcher_environment()])
    port = free_port()
    return Started([command] * RANKS,
                   [rank_environment(rank, RANKS, port) for rank in range(RANKS)])


def provoke(fault, backend):
    """One job in which the last rank commits `fault`."""
    with start(fault, backend) as started:
        if fault.name == "stop" and backend == "gloo":
            for rank in range(VICTIM):
                started.processes[rank].wait(END_SECONDS)
            started.processes[VICTIM].kill()
        ended = started.wait(END_SECONDS)
    out = "".join(one.out for one in ended)
    err = "".join(one.err for one in ended)
    faults = re.findall(r"^fault \d+ ([\d.]+)", out, re.M)
    errors = re.findall(r"^error (\d+) ([\d.]+)", out, re.M)
    lines = re.findall(r"shardopt-train: rank (\d+): (.*)", err, re.M)
    return Outcome([one.code for one in ended],
                   {int(rank): float(time) - float(faults[0]) for rank, time in errors},
                   {int(rank): line for rank, line in lines})


class PeerFailureTest(unittest.TestCase):
    def assert_peers_end(self, fault, backend):
        outcome = provoke(fault, backend)
        for rank in range(VICTIM):
            line = outcome.lines.get(rank, "")
            self.assertRegex(line, CALL.format(rank=rank) + ".*" + fault.words)
            self.assertLess(outcome.seconds[rank], ALLOWED_SECONDS, outcome)
            if backend == "gloo":
                self.assertEqual(outcome.codes[rank], 1)
        if backend == "mpi":
            self.assertGreater(outcome.codes[0], 0)


def add_tests():
    for fault in FAULTS:
        for backend in fault.backends:
            def test(self, fault=fault, backend=backend):
                if backend == "mpi" and not HAS_MPI:
                    self.skipTest("this build has no MPI")
                self.assert_peers_end(fault, backend)
            suffix = "_checked" if fault.checked else ""
            setattr(PeerFailureTest, f"test_{fault.name}{suffix}_over_{backend}", test)


class MpirunTest(unittest.TestCase):
    """mpirun's own hand: bounded time and exit code are what counts."""

    def test_a_lost_process_ends_the_job(self):
        if not HAS_MPI:
            self.skipTest("this build has no MPI")
        for name in ("kill", "exit"):
            with self.subTest(name):
                with start(Fault(name, ""), "mpi") as started:
                    ended = started.wait(END_SECONDS)[0]
                self.assertGreater(ended.code, 0)


class HealthyTest(unittest.TestCase):
    def test_without_a_fault_all_ranks_end_in_order(self):
        for backend in ("gloo", "mpi") if HAS_MPI else ("gloo",):
            for checked in (False, True):
                with self.subTest(backend=backend, checked=checked):
                    outcome = provoke_nothing(backend, checked)
                    self.assertEqual(set(outcome), {(0, "")})


def provoke_nothing(backend, checked):
    with start(Fault("none", "", checked), backend) as started:
        return [(one.code, one.err) for one in started.wait(END_SECONDS)]


def is_right(outcome, fault):
    """Whether both peers named the rank at fault, in time."""
    return all(re.search(fault.words, outcome.lines.get(rank, "")) and
               outcome.seconds.get(rank, ALLOWED_SECONDS) < ALLOWED_SECONDS
               for rank in range(VICTIM))


def print_table(repetitions):
    """For tools/bench/failure_table.py. Returns whether all was as it must be."""
    print("| the last rank | backend | seconds until its peers fail: median, most | what "
          "rank 0 says | as it must be | exit codes |\n|---|---|---|---|---|---|")
    wrong = 0
    for fault in FAULTS:
        for backend in fault.backends if HAS_MPI else ("gloo",):
            outcomes = [provoke(fault, backend) for _ in range(repetitions)]
            times = [seconds for outcome in outcomes
                     for rank, seconds in outcome.seconds.items()
                     if rank != VICTIM] or [math.nan]
            right = sum(is_right(outcome, fault) for outcome in outcomes)
            wrong += repetitions - right
            line = outcomes[0].lines.get(0, "").split("failed: ", 1)[-1]
            codes = sorted({", ".join(map(str, outcome.codes)) for outcome in outcomes})
            name = f"{fault.name}{', checked' if fault.checked else ''}"
            print(f"| {name} | {backend} | {statistics.median(times):.2f}, "
                  f"{max(times):.2f} | {line} | {right} of {repetitions} | "
                  f"{' / '.join(codes)} |", flush=True)
    return wrong == 0


add_tests()

if __name__ == "__main__":
    unittest.main()
