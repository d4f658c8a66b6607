#!/usr/bin/env python3
"""Tokens per second: the training program against PyTorch FSDP2, in interleaved pairs.

    build/venv/bin/python tools/bench/compare_speed.py --pairs 5

Same model, data, fused AdamW, ranks and threads, one after the other, who is first in
turns; prints each pair and the median of their ratios, and the CPU time of a step over
all ranks. Needs an otherwise idle machine.
"""

import argparse
import json
import pathlib
import statistics
import tempfile

from runs import run, torchrun, train
from speed import Program, Speed, add_arguments, check_arguments, measure_pairs

FSDP2 = pathlib.Path(__file__).with_name("fsdp2_speed.py")


def speed_of_fsdp2(args, initial, threads):
    output = run([*torchrun(args.ranks), FSDP2, initial, "--steps", args.steps,
                  "--warmup", args.warmup], threads)
    figures = json.loads(output.splitlines()[-1])
    return Speed(figures["tokens_per_second"], figures["cpu_seconds_per_step"])


def measure(args, folder):
    """{"ours": Speed, "fsdp2": Speed} of each pair."""
    ours = Program(args, args.ranks, folder)
    initial = f"{folder}/initial"
    # No warm-up, which a run of no steps, for the initial weights, cannot have.
    train(args.program, args.config,
          [*args.set, "schedule.warmup_steps=0", "train.steps=0"], initial, 1, ours.threads)
    pairs = []
    for pair in measure_pairs(args.pairs, {
            "ours": ours.speed,
            "fsdp2": lambda: speed_of_fsdp2(args, initial, ours.threads)}):
        pairs.append(pair)
        print(f"pair {len(pairs)}: {describe(pair['ours'], pair['fsdp2'])}, "
              f"ratio {ratio_of(pair):.3f}", flush=True)
    return pairs


def ratio_of(pair):
    return pair["ours"].tokens_per_second / pair["fsdp2"].tokens_per_second


def describe(ours, fsdp2):
    return (f"ours {ours.tokens_per_second:,.0f}, FSDP2 {fsdp2.tokens_per_second:,.0f} "
            f"tokens/s; {ours.cpu_seconds:.3f}, {fsdp2.cpu_seconds:.3f} CPU s per step")


def medians(pairs, name):
    return Speed(*(statistics.median(values)
                   for values in zip(*(pair[name] for pair in pairs))))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--ranks", type=int, default=2)
    args = parser.parse_args()
    check_arguments(parser, args)
    with tempfile.TemporaryDirectory() as folder:
        pairs = measure(args, folder)
    ratios = [ratio_of(pair) for pair in pairs]
    print(f"{args.ranks} ranks, {args.config}: "
          f"{describe(medians(pairs, 'ours'), medians(pairs, 'fsdp2'))} (medians); "
          f"median ratio {statistics.median(ratios):.3f} "
          f"({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
