#!/usr/bin/env python3
"""Kills ranks that save checkpoints, at random times: what was lost, what was wrong.

    build/venv/bin/python tools/bench/kill_table.py --kills 300

Rank 0, another rank, and all ranks in turns. After each kill the newest step is loaded
and every element of it checked; ends with 1 if a step that had been acknowledged was
gone, or anything else was loaded than what had been saved.
"""

import argparse
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.kills < 1:
        parser.error(f"--kills is {args.kills}; allowed: >= 1")
    os.environ.update({
        "SHARDOPT_TRAIN": str(BUILD / "tools" / "shardopt-train"),
        "SHARDOPT_KILL_PROGRAM": str(BUILD / "tests" / "program" / "kill_program"),
        "SHARDOPT_SOURCE_DIR": str(ROOT)})
    sys.path.insert(0, str(ROOT / "tests" / "program"))
    from kill_test import run_random
    table = run_random(args.kills, args.seed)
    print(f"{table.kills} kills: {table.wrong} wrong loads, {table.lost} acknowledged "
          f"steps lost, {table.acknowledged} steps saved, "
          f"{len(table.problems) - table.wrong - table.lost} times garbage stayed")
    for problem in table.problems:
        print(problem)
    sys.exit(1 if table.problems else 0)


if __name__ == "__main__":
    main()
