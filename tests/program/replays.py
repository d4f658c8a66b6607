"""shardopt-replay, started on cases that are dicts, and what its results are held to."""

import concurrent.futures
import json
import math
import os
import pathlib
import subprocess
import tempfile

from program import TIMEOUT_SECONDS, clean_environment

REPLAY = os.environ["SHARDOPT_REPLAY"]
AT_A_TIME = 2


def replay(case):
    """The result of a case that must succeed."""
    with tempfile.TemporaryDirectory(prefix="shardopt-replay-") as folder:
        path = pathlib.Path(folder, "case.json")
        path.write_text(json.dumps(case), encoding="utf-8")
        ended = subprocess.run([REPLAY, path], env=clean_environment(), text=True,
                               capture_output=True, timeout=TIMEOUT_SECONDS, check=False)
    if ended.returncode != 0 or ended.stderr:
        raise AssertionError(f"exit code {ended.returncode}: {ended.stderr}")
    return json.loads(ended.stdout)


def replay_all(cases):
    """Results of the cases, in their order."""
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(replay, cases))


def cut(case, cut_rows, ranks, **more):
    """The case on `ranks` ranks, each parameter cut as `cut_rows`(rows, ranks) says."""
    cuts = {p["name"]: cut_rows(p["shape"][0], ranks) for p in case["parameters"]}
    return {**case, "ranks": ranks, "cuts": cuts, **more}


def all_first(rows, ranks):
    return [0] + [rows] * ranks


def all_last(rows, ranks):
    return [0] * ranks + [rows]


def empty_between(rows, ranks):
    """The first and the last rank share; those between have nothing."""
    return [0] + [(rows + 1) // 2] * (ranks - 1) + [rows]


def difference(values, expected):
    """The largest of any two numbers; 0 where null is expected. Infinite if one is not
    finite, or if the lists differ in form."""
    if expected is None:
        return 0.0
    if isinstance(expected, list):
        if not isinstance(values, list) or len(values) != len(expected):
            return math.inf
        return max(map(difference, values, expected), default=0.0)
    if isinstance(values, bool) or not isinstance(values, (int, float)):
        return math.inf
    return abs(values - expected) if math.isfinite(values) else math.inf
