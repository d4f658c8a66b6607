#!/usr/bin/env python3
"""Speed of checkpoints beside torch.distributed.checkpoint and raw writes, in rounds.

    build/venv/bin/python tools/bench/compare_checkpoint.py --folder /big/disk --rounds 5

Each round writes the same number of bytes raw (past the page cache, durable), by shardopt
and by DCP, and loads both with a cold page cache, in an order that turns from round to
round. Prints medians and the medians of the rounds' ratios. Needs an otherwise idle
machine and room for three times the bytes in the folder.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import tempfile

from runs import ROOT, default_threads, run, torchrun

BENCH = ROOT / "build" / "release" / "tools" / "shardopt-bench"
DCP = pathlib.Path(__file__).with_name("dcp_speed.py")


def last_json(output):
    return json.loads([line for line in output.splitlines() if line.startswith("{")][-1])


def drop_cache(folder):
    """Of the files below it; what is dirty is written first. They are read once before:
    on a virtual machine memory that was never used is slow at its first use, and files
    that were written past the page cache have left none behind to be used again."""
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file():
            with open(path, "rb", buffering=0) as file:
                os.fsync(file.fileno())
                while file.read(8 << 20):
                    pass
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Rounds:
    def __init__(self, args, folder):
        self.args, self.folder = args, pathlib.Path(folder)
        self.results = {}

    def measure(self, name, command):
        launch = torchrun(self.args.ranks)
        if command[0] == BENCH:
            launch.append("--no-python")
        size = ["--mib", self.args.mib]
        result = last_json(run([*launch, *command, *size], default_threads(self.args.ranks)))
        self.results.setdefault(name, []).append(result)

    def ours(self, action, folder):
        return [BENCH, "checkpoint", action, "--path", self.folder / folder,
                "--budget-mib", self.args.budget_mib]

    def fresh(self, name):
        shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / name).mkdir()

    def save(self, name):
        self.fresh(name)
        if name == "dcp":
            self.measure("save dcp", [DCP, "save", "--path", self.folder / name])
        else:
            self.measure(f"save {name}", self.ours({"ours": "save"}.get(name, name), name))

    def load(self, name):
        drop_cache(self.folder / name)
        command = ([DCP, "load", "--path", self.folder / name] if name == "dcp"
                   else self.ours("load", name))
        self.measure(f"load {name}", command)

    def run(self):
        kinds = ["raw", "ours", "dcp", "async"]
        for i in range(self.args.rounds):
            for kind in kinds[i % 4:] + kinds[:i % 4]:
                self.save(kind)
            for kind in ["ours", "dcp"] if i % 2 == 0 else ["dcp", "ours"]:
                self.load(kind)
            print(f"round {i + 1}: " + ", ".join(
                f"{name} {speed(values[-1]):.2f} GB/s" for name, values in
                self.results.items()), flush=True)

    def overhead(self):
        size = sum(path.stat().st_size for path in (self.folder / "ours").rglob("*")
                   if path.is_file())
        return size / self.results["save ours"][-1]["bytes"] - 1


def speed(result):
    return result["bytes"] / result["seconds"] / 1e9


def cpu(result):
    return result["cpu_seconds"] / result["bytes"] * 1e9


def print_table(rounds):
    print(f"{'':12}{'GB/s median (range)':>30}{'CPU s/GB':>10}{'peak MiB':>10}"
          f"{'stall s':>9}")
    for name, values in rounds.results.items():
        speeds = [speed(value) for value in values]
        print(f"{name:12}{statistics.median(speeds):12.2f} ({min(speeds):.2f} to "
              f"{max(speeds):.2f}){'':3}{statistics.median(map(cpu, values)):10.2f}"
              f"{max(value['peak_mib'] for value in values):10.0f}"
              f"{statistics.median(value['stall_seconds'] for value in values):9.2f}")
    for ours, other, what in [("save ours", "save raw", speed), ("save ours", "save dcp", speed),
                              ("save ours", "save dcp", cpu), ("load ours", "load dcp", speed)]:
        ratios = [what(a) / what(b) for a, b in
                  zip(rounds.results[ours], rounds.results[other])]
        print(f"{ours} / {other}, {'GB/s' if what is speed else 'CPU'}: "
              f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"bytes beside the data: {100 * rounds.overhead():.4f} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", help="on the disk to measure; default: a temporary one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--mib", type=int, default=1024, help="of each rank")
    parser.add_argument("--budget-mib", type=int, default=1024, help="memory for copies")
    args = parser.parse_args()
    if args.rounds < 1 or args.ranks < 1 or args.mib < 1:
        parser.error("--rounds, --ranks and --mib must be >= 1")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        rounds = Rounds(args, folder)
        rounds.run()
        print_table(rounds)


if __name__ == "__main__":
    main()
