"""Runs of the training program, for the benchmarks beside this file."""

import csv
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build" / "release" / "tools" / "shardopt-train"
RANK_CPU = pathlib.Path(__file__).with_name("rank_cpu.py")


def environment(threads):
    return {**os.environ, "OMP_NUM_THREADS": str(threads)}


def run(command, threads):
    """Standard output of a command started in the repository's folder. Ends this
    program, with the command's own errors, if it fails."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, text=True,
                          env=environment(threads), capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"failed ({done.returncode}): {' '.join(map(str, command))}\n"
                 f"{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def torchrun(ranks):
    """The start of a command that runs what follows on `ranks` ranks."""
    return [sys.executable, "-m", "torch.distributed.run", "--standalone",
            f"--nproc-per-node={ranks}"]


def train(program, config, settings, output, ranks, threads, cpu_folder=None):
    """Rows of metrics.csv of one run, a dict each; an empty cell is None. `cpu_folder`, if
    given, gets a file for each rank: its CPU seconds."""
    overrides = [f"--set={setting}" for setting in
                 [*settings, f"output.path={output}", "output.overwrite=true"]]
    start = [*torchrun(ranks), "--no-python"] if ranks > 1 else []
    timed = [sys.executable, RANK_CPU, cpu_folder] if cpu_folder else []
    run([*start, *timed, program, "--config", config, *overrides], threads)
    with open(ROOT / output / "metrics.csv", encoding="utf-8") as file:
        return [{name: float(cell) if cell else None for name, cell in row.items()}
                for row in csv.DictReader(file)]


def default_threads(ranks):
    return max(1, len(os.sched_getaffinity(0)) // ranks)
