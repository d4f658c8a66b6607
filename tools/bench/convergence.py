#!/usr/bin/env python3
"""What each optimizer reaches on quickstart's task, each at three lr; Muon's presets too.

    build/venv/bin/python tools/bench/convergence.py --steps 1200 --jobs 2

Prints two tables in Markdown: validation loss, time of a step, bytes of optimizer state
per parameter. Runs that are done stay in --output, and a second call goes on behind them;
with other settings (steps, ranks) a run is made again. Times are those of runs beside
--jobs - 1 others.
"""

import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import re
import shutil
import sys

from runs import PROGRAM, ROOT, run, train

TASK = """model { layers: 4 dim: 128 heads: 4 context: 128 }
data { path: "build/data/bible.txt" }
train { batch: 16 clip_norm: 1 }
output { sample_bytes: 0 }
"""
COSINE = ["schedule.name=cosine", "schedule.warmup_steps=10"]
NO_SCHEDULE = ["schedule.name=none"]  # Schedule-Free warms up by itself.
DECAY = "optimizer.weight_decay=0.1"
# name -> (lrs, settings). Decay times lr is about the same for all; a decay of 0.1 beside
# SGD's lr would hold its weights at zero.
SWEEPS = {
    "adam": ([0.0015, 0.003, 0.006], [*COSINE, DECAY]),
    "adamw": ([0.0015, 0.003, 0.006], [*COSINE, DECAY]),
    "dual_scaled_adam": ([0.0015, 0.003, 0.006], [*COSINE, DECAY]),
    "lion": ([0.0003, 0.0006, 0.0012], [*COSINE, "optimizer.weight_decay=1"]),
    "muon": ([0.003, 0.006, 0.012], [*COSINE, DECAY, "optimizer.muon.scale=rms"]),
    "nadam": ([0.0015, 0.003, 0.006], [*COSINE, DECAY]),
    "nadamw": ([0.0015, 0.003, 0.006], [*COSINE, DECAY]),
    "schedule_free_adamw": ([0.0015, 0.003, 0.006], [
        *NO_SCHEDULE, DECAY, "optimizer.schedule_free_adamw.warmup_steps=10"]),
    "schedule_free_sgd": ([1.5, 3, 6], [
        *NO_SCHEDULE, "optimizer.schedule_free_sgd.momentum=0.95",
        "optimizer.schedule_free_sgd.warmup_steps=50"]),
    "sgd": ([0.05, 0.1, 0.2], [*COSINE, "optimizer.sgd.momentum=0.9",
                               "optimizer.sgd.nesterov=true"]),
}
PRESETS = ["adaptive", "jordan", "kempner", "keras", "keras_addon", "keras_seed",
           "moonlight", "optax", "polar_express"]
UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def all_runs():
    """name of a run -> (table, row, lr, settings)."""
    runs = {}
    for name, (lrs, settings) in SWEEPS.items():
        for lr in lrs:
            runs[f"{name}-{lr}"] = ("optimizer", name, lr, [
                f"optimizer.name={name}", f"optimizer.lr={lr}", *settings])
    for preset in PRESETS:
        runs[f"preset-{preset}"] = ("preset", preset, "its own", [
            "optimizer.name=muon", f"optimizer.muon.preset={preset}", *COSINE])
    return runs


def bytes_of(text, part):
    """Of the tensors below a part of the state, as shardopt-checkpoint shows it."""
    found = re.search(rf"^  {part}: \w+, \d+ tensors, ([\d.]+) (\w+)$", text, re.MULTILINE)
    return float(found[1]) * UNITS[found[2]] if found else 0.0


def state_bytes(args, checkpoint):
    """Bytes of optimizer state per parameter, to three digits."""
    tool = pathlib.Path(args.program).with_name("shardopt-checkpoint")
    shown = run([tool, "show", checkpoint], 1)
    return 4 * bytes_of(shown, "optimizer") / bytes_of(shown, "model")


def measure(args, name, settings):
    """A run's figures, as they stay in its folder."""
    output = pathlib.Path(args.output, name)
    checkpoint = ROOT / output / "checkpoint"
    shutil.rmtree(ROOT / output, ignore_errors=True)
    rows = train(args.program, pathlib.Path(args.output, "task.txtpb"),
                 [*settings, f"checkpoint.path={checkpoint}"], output, args.ranks, 1)
    first, last = rows[min(10, len(rows) // 2)], rows[-2]  # The last one validates.
    loss = rows[-1]["val_loss"]
    result = {"settings": settings, "ranks": args.ranks,
              "val_loss": loss if loss is not None and math.isfinite(loss) else math.inf,
              "ms_per_step": 1e3 * (last["seconds"] - first["seconds"])
              / (last["step"] - first["step"]),
              "state_bytes": state_bytes(args, checkpoint)}
    shutil.rmtree(checkpoint)
    (ROOT / output / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return result


def result_of(args, name, settings):
    """Kept, or measured now; of a run that fails, which a later call tries again, none."""
    settings = [*settings, f"train.steps={args.steps}", f"train.validate_every={args.steps}",
                *args.set]
    kept = ROOT / args.output / name / "result.json"
    if kept.exists():
        result = json.loads(kept.read_text(encoding="utf-8"))
        if result["settings"] == settings and result["ranks"] == args.ranks:
            return result
    try:
        result = measure(args, name, settings)
    except SystemExit as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        return None
    print(f"{name}: {result['val_loss']:.4f}", file=sys.stderr, flush=True)
    return result


def print_table(runs, results, table):
    """Rows by validation loss, that of the best lr where there are several."""
    rows = {}
    for name, (where, row, lr, _) in runs.items():
        if where == table:
            rows.setdefault(row, []).append((lr, results[name]))
    lr_columns = ["best lr", "all"] if table == "optimizer" else []
    header = [table, "validation loss", *lr_columns, "ms per step", "state B/parameter"]
    print(f"\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row, entries in sorted(rows.items(), key=lambda entry: best(entry[1])[0]):
        _, lr, figures = best(entries)
        tried = ", ".join(f"{loss_text(result)} at {x}" for x, result in entries)
        times = ["", ""] if figures is None else [f"{figures['ms_per_step']:.0f}",
                                                  f"{figures['state_bytes']:.1f}"]
        lr_cells = [str(lr), tried] if lr_columns else []
        print(f"| {' | '.join([f'`{row}`', loss_text(figures), *lr_cells, *times])} |")


def loss_text(result):
    return "failed" if result is None else f"{result['val_loss']:.3f}"


def best(entries):
    """(loss, lr, figures) of the lr that reached the least."""
    return min(((math.inf if r is None else r["val_loss"], lr, r) for lr, r in entries),
               key=lambda entry: entry[0])


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--ranks", type=int, default=1, help="of each run, a thread each")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)),
                        help="runs at a time")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[*SWEEPS, *PRESETS],
                        help="optimizers and presets (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE",
                        help="for every run; may be repeated")
    parser.add_argument("--program", default=PROGRAM)
    parser.add_argument("--output", default="build/convergence", help="folder of the runs")
    args = parser.parse_args()
    for name, least in (("steps", 20), ("ranks", 1), ("jobs", 1)):
        if getattr(args, name) < least:
            parser.error(f"--{name} is {getattr(args, name)}; allowed: >= {least}")
    return args


def main():
    args = parse_arguments()
    (ROOT / args.output).mkdir(parents=True, exist_ok=True)
    (ROOT / args.output / "task.txtpb").write_text(TASK, encoding="utf-8")
    runs = {name: entry for name, entry in all_runs().items()
            if args.only is None or entry[1] in args.only}
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        futures = {name: pool.submit(result_of, args, name, settings)
                   for name, (*_, settings) in runs.items()}
        results = {name: future.result() for name, future in futures.items()}
    print(f"{args.steps} steps, {args.ranks} rank(s), {args.jobs} run(s) at a time")
    for table in dict.fromkeys(entry[0] for entry in runs.values()):
        print_table(runs, results, table)
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
