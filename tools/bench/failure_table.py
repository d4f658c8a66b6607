#!/usr/bin/env python3
"""How ranks end when one of them fails, in every way, under every backend: a table.

    build/venv/bin/python tools/bench/failure_table.py --repetitions 20

Runs what tests/program/peer_failure_test.py tests, that often; ends with 1 if any rank
said anything else, or too late.
"""

import argparse
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests" / "program"
BUILD = ROOT / "build" / "release"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=20)
    args = parser.parse_args()
    if args.repetitions < 1:
        parser.error(f"--repetitions is {args.repetitions}; allowed: >= 1")
    has_mpi = (BUILD / "distributed" / "libshardopt_mpi.so").exists()
    os.environ.update({
        "SHARDOPT_TRAIN": str(BUILD / "tools" / "shardopt-train"),
        "SHARDOPT_FAILURE_PROGRAM": str(BUILD / "tests" / "program" / "failure_program"),
        "SHARDOPT_HAS_MPI": "1" if has_mpi else "0",
        "SHARDOPT_SOURCE_DIR": str(ROOT)})
    sys.path.insert(0, str(TESTS))
    from peer_failure_test import print_table
    sys.exit(0 if print_table(args.repetitions) else 1)


if __name__ == "__main__":
    main()
