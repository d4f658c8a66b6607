#!/usr/bin/env python3
"""Time of the training program on more ranks than cores, in interleaved pairs.

    build/venv/bin/python tools/bench/compare_ranks.py --ranks 2 4

The same batches at both numbers of ranks, one after the other, who is first in turns;
prints each pair and the median of the ratios of times. Needs an otherwise idle machine.
"""

import argparse
import statistics
import tempfile

from speed import Program, add_arguments, check_arguments, measure_pairs


def describe(program, speed):
    return (f"{program.ranks} ranks {speed.tokens_per_second:,.0f} tokens/s, "
            f"{speed.cpu_seconds:.3f} CPU s per step")


def measure(few, many, pairs):
    """Time of `many` over that of `few`, pair by pair."""
    ratios = []
    for pair in measure_pairs(pairs, {"few": few.speed, "many": many.speed}):
        ratio = pair["few"].tokens_per_second / pair["many"].tokens_per_second
        ratios.append(ratio)
        print(f"pair {len(ratios)}: {describe(few, pair['few'])}; "
              f"{describe(many, pair['many'])}; time ratio {ratio:.3f}", flush=True)
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--ranks", type=int, nargs=2, default=[2, 4], metavar=("FEW", "MANY"))
    args = parser.parse_args()
    check_arguments(parser, args)
    if not 1 <= args.ranks[0] < args.ranks[1]:
        parser.error(f"--ranks is {args.ranks}; allowed: two numbers >= 1, the smaller first")
    with tempfile.TemporaryDirectory() as folder:
        few, many = (Program(args, ranks, folder) for ranks in args.ranks)
        ratios = measure(few, many, args.pairs)
    print(f"{args.config}: {many.ranks} ranks of {many.threads} thread(s) take "
          f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}) times "
          f"as long as {few.ranks} of {few.threads} (median)")


if __name__ == "__main__":
    main()
