#!/usr/bin/env python3
"""Tokens per second: the training program against PyTorch FSDP2, in interleaved pairs.

    build/venv/bin/python tools/bench/compare_speed.py --pairs 5

Same model, data, fused AdamW, ranks and threads, one after the other, who is first in
turns; prints each pair and the median of their ratios. Needs an otherwise idle machine.
"""

import argparse
import json
import pathlib
import statistics
import tempfile

from runs import PROGRAM, default_threads, run, torchrun, train

FSDP2 = pathlib.Path(__file__).with_name("fsdp2_speed.py")


def speed_of_ours(args, settings, output):
    # One step more, which is not timed: the last step ends with a validation.
    rows = train(args.program, args.config, [*settings, f"train.steps={args.steps + 1}"],
                 output, args.ranks, args.threads)
    first, last = rows[args.warmup - 1], rows[args.steps - 1]
    return (last["tokens"] - first["tokens"]) / (last["seconds"] - first["seconds"])


def speed_of_fsdp2(args, initial):
    output = run([*torchrun(args.ranks), FSDP2, initial, "--steps", args.steps,
                  "--warmup", args.warmup], args.threads)
    return json.loads(output.splitlines()[-1])["tokens_per_second"]


def measure(args, folder):
    """(ours, FSDP2) of each pair."""
    # No warm-up, which a run of no steps, for the initial weights, cannot have.
    settings = [*args.set, f"train.validate_every={args.steps + 1}",
                "schedule.warmup_steps=0"]
    initial = f"{folder}/initial"
    train(args.program, args.config, [*settings, "train.steps=0"], initial, 1, args.threads)
    pairs = []
    for pair in range(args.pairs):
        measurements = {"ours": lambda: speed_of_ours(args, settings, f"{folder}/run"),
                        "fsdp2": lambda: speed_of_fsdp2(args, initial)}
        order = sorted(measurements, reverse=pair % 2 == 0)
        speeds = {name: measurements[name]() for name in order}
        pairs.append((speeds["ours"], speeds["fsdp2"]))
        print(f"pair {pair + 1}: ours {speeds['ours']:,.0f}, FSDP2 {speeds['fsdp2']:,.0f} "
              f"tokens/s, ratio {speeds['ours'] / speeds['fsdp2']:.3f}", flush=True)
    return pairs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="tools/configs/adamw.txtpb")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE",
                        help="for both programs, as model.layers=8; may be repeated")
    parser.add_argument("--program", default=PROGRAM)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--threads", type=int, help="per rank; default: cores / ranks")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--warmup", type=int, default=10, help="steps not timed")
    args = parser.parse_args()
    if not 1 <= args.warmup < args.steps:
        parser.error(f"--warmup is {args.warmup}; allowed: 1 to --steps - 1")
    if args.pairs < 1:
        parser.error(f"--pairs is {args.pairs}; allowed: >= 1")
    args.threads = args.threads or default_threads(args.ranks)
    with tempfile.TemporaryDirectory() as folder:
        pairs = measure(args, folder)
    ratios = [ours / fsdp2 for ours, fsdp2 in pairs]
    print(f"{args.ranks} ranks, {args.threads} thread(s) each, {args.config}: "
          f"ours {statistics.median(ours for ours, _ in pairs):,.0f}, "
          f"FSDP2 {statistics.median(fsdp2 for _, fsdp2 in pairs):,.0f} tokens/s (medians); "
          f"median ratio {statistics.median(ratios):.3f} "
          f"({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
