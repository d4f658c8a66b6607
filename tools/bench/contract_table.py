#!/usr/bin/env python3
"""The contract of every communicator: a table of cases, backends and numbers of ranks.

    build/venv/bin/python tools/bench/contract_table.py

Runs the contract tests of a build once for each backend and number of ranks. A cell has
the numbers of ranks of which every rank has passed the case; the others stand behind
"failed". Ends with exit code 1 if there are such.
"""

import argparse
import collections
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# As tests/distributed/communicator_contract.h has it.
REPORT = "SHARDOPT_CONTRACT_REPORT"
SIZES = (1, 2, 3, 4, 7)


def name_of_size(size):
    return "KeepsContractAlone" if size == 1 else f"KeepsContractOf{size}"


# Backend -> test program, and number of ranks -> test.
TESTS = {
    "single": ("distributed_test", {1: "SingleCommunicatorTest.KeepsContract"}),
    "threads": ("distributed_test",
                {size: f"Sizes/ThreadContractTest.IsKept/{size}" for size in SIZES}),
    "gloo": ("distributed_mp_test",
             {size: f"C10dCommunicatorMpTest.{name_of_size(size)}" for size in SIZES}),
    "mpi": ("mpi_test",
            {size: f"MpiCommunicatorMpTest.{name_of_size(size)}" for size in SIZES}),
}


def run(program, test, report):
    """Whether `test` has passed. Its ranks append to `report`."""
    done = subprocess.run([program, f"--gtest_filter={test}"], text=True,
                          env={**os.environ, "OMP_NUM_THREADS": "1",
                               REPORT: str(report)},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if f"[       OK ] {test}" in done.stdout and done.returncode == 0:
        return True
    print(f"{test} has failed ({done.returncode}):\n{done.stdout[-4000:]}",
          file=sys.stderr)
    return False


def results_of(report):
    """Case -> what each rank has said of it, in the order in which cases were run."""
    results = collections.defaultdict(list)
    if report.exists():
        for line in report.read_text(encoding="utf-8").splitlines():
            case, result = line.rsplit(": ", 1)
            results[case].append(result)
    return results


def measure(programs):
    """(case, backend) -> numbers of ranks that have passed it; all cases."""
    passed = collections.defaultdict(set)
    cases = {}  # Ordered, and each once.
    for backend, (program, tests) in TESTS.items():
        for size, test in tests.items():
            with tempfile.TemporaryDirectory() as folder:
                report = pathlib.Path(folder) / "report"
                is_kept = run(programs / program, test, report)
                results = results_of(report)
            cases.update(dict.fromkeys(results))
            if is_kept and not results:
                sys.exit(f"{test} has reported no case")
            for case, of_ranks in results.items():
                if of_ranks == ["passed"] * size:
                    passed[case, backend].add(size)
    return passed, list(cases)


def cell(sizes, passed):
    good = " ".join(str(size) for size in sizes if size in passed)
    bad = " ".join(str(size) for size in sizes if size not in passed)
    return good + (f" failed: {bad}" if bad else "")


def print_table(passed, cases):
    """Whether every case has passed everywhere."""
    print("| case | " + " | ".join(TESTS) + " |")
    print("|---" * (len(TESTS) + 1) + "|")
    for case in cases:
        cells = [cell(tests, passed[case, backend])
                 for backend, (_, tests) in TESTS.items()]
        print(f"| {case} | " + " | ".join(cells) + " |")
    return all(passed[case, backend] == set(tests)
               for case in cases for backend, (_, tests) in TESTS.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path,
                        default=ROOT / "build" / "release",
                        help="folder of a build with MPI (default: build/release)")
    programs = parser.parse_args().build / "tests" / "distributed"
    for program in sorted({program for program, _ in TESTS.values()}):
        if not (programs / program).exists():
            sys.exit(f"{programs / program} is not there; build it, with MPI")
    passed, cases = measure(programs)
    if not cases or not print_table(passed, cases):
        sys.exit(1)


if __name__ == "__main__":
    main()
