#!/usr/bin/env python3
"""Validation loss of several optimizers at equal steps, each at several lr.

    build/venv/bin/python tools/bench/sweep.py --steps 1200
    build/venv/bin/python tools/bench/sweep.py --run tools/configs/lion.txtpb 0.0003,0.001

Prints a table of the runs, and the best of each configuration.
"""

import argparse
import math
import pathlib

from runs import PROGRAM, default_threads, train

DEFAULT_RUNS = [("tools/configs/muon.txtpb", "0.002,0.004,0.006,0.012"),
                ("tools/configs/adamw.txtpb", "0.0015,0.003,0.006,0.012")]
FORMAT = "{:<10} {:>8} {:>10} {:>10} {:>10}"


def train_once(args, config, lr):
    """(validation loss, loss, seconds) at the end of a run; NaN where it has none."""
    name = f"{pathlib.Path(config).stem}-{lr}"
    rows = train(args.program, config,
                 [*args.set, f"optimizer.lr={lr}", f"train.steps={args.steps}"],
                 f"{args.output}/{name}", args.ranks, args.threads)
    return tuple(math.nan if rows[-1][field] is None else rows[-1][field]
                 for field in ("val_loss", "loss", "seconds"))


def sweep(args, config, lrs):
    """The best (validation loss, lr) of a configuration."""
    results = []
    for lr in lrs:
        val_loss, loss, seconds = train_once(args, config, lr)
        results.append((val_loss if math.isfinite(val_loss) else math.inf, lr))
        print(FORMAT.format(pathlib.Path(config).stem, lr, f"{val_loss:.4f}",
                            f"{loss:.4f}", f"{seconds:.0f}"), flush=True)
    return min(results)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", nargs=2, action="append", metavar=("CONFIG", "LRS"),
                        help="a configuration and its lrs, with commas; may be repeated "
                             "(default: Muon and AdamW)")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE",
                        help="for every run; may be repeated")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--threads", type=int, help="per rank; default: cores / ranks")
    parser.add_argument("--program", default=PROGRAM)
    parser.add_argument("--output", default="build/sweep", help="folder of the runs")
    args = parser.parse_args()
    args.threads = args.threads or default_threads(args.ranks)
    print(f"{args.steps} steps, {args.ranks} ranks, {args.threads} thread(s) each")
    print(FORMAT.format("optimizer", "lr", "val_loss", "loss", "seconds"))
    best = [(config, *sweep(args, config, lrs.split(",")))
            for config, lrs in args.run or DEFAULT_RUNS]
    for config, val_loss, lr in sorted(best, key=lambda entry: entry[1]):
        print(f"best of {pathlib.Path(config).stem}: {val_loss:.4f} at lr {lr}")


if __name__ == "__main__":
    main()
