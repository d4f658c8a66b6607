"""What a byte model without learning reaches: Witten-Bell interpolation, orders 1 to 4.

    byte_model.py build/data/bible.txt

prints nats per byte on the validation part, for orders 1 to --order: at all positions,
or at --positions random ones (20,000 give the second digit to about 2).

Witten and Bell 1991, "The zero-frequency problem", method C, interpolated: after a
context h seen c(h) times with d(h) different successors,
    p(x | h) = (c(hx) + d(h) p(x | h without its first byte)) / (c(h) + d(h)),
down to p(x) = 1/256.
"""

import argparse
import collections
import math
import random

from gpt_data import read_text, split


def count_contexts(text, order):
    """For each context of 0 to `order` bytes: a Counter of the bytes behind it."""
    contexts = collections.defaultdict(collections.Counter)
    for length in range(order + 1):
        for i in range(length, len(text)):
            contexts[text[i - length:i]][text[i]] += 1
    return {context: (sum(next_bytes.values()), next_bytes)
            for context, next_bytes in contexts.items()}


def probabilities(contexts, history, byte, order):
    """p(byte | last n bytes of history) for n = 0 to `order`."""
    result, p = [], 1 / 256
    for length in range(order + 1):
        seen = contexts.get(history[len(history) - length:])
        if seen is not None:
            total, next_bytes = seen
            p = (next_bytes[byte] + len(next_bytes) * p) / (total + len(next_bytes))
        result.append(p)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    parser.add_argument("--order", type=int, default=4)
    parser.add_argument("--validation-fraction", type=float, default=0.1)
    parser.add_argument("--positions", type=int)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    training, validation = split(read_text(args.path), args.validation_fraction)
    contexts = count_contexts(training, args.order)
    positions = range(args.order, len(validation))
    if args.positions is not None:
        positions = random.Random(args.seed).choices(positions, k=args.positions)
    nats = [0.0] * (args.order + 1)
    for i in positions:
        history = validation[i - args.order:i]
        for n, p in enumerate(probabilities(contexts, history, validation[i], args.order)):
            nats[n] -= math.log(p)
    for n in range(1, args.order + 1):
        print(f"order {n}: {nats[n] / len(positions):.3f} nats/byte")


if __name__ == "__main__":
    main()
