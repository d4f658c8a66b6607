#!/usr/bin/env python3
"""Time of an update without a model: ours against PyTorch's, in interleaved pairs.

    build/venv/bin/python tools/bench/optimizer_speed.py --pairs 15

AdamW against PyTorch's fused AdamW, Lion against one of foreach calls, on the weights of a
GPT of 21 M parameters and on quickstart's; same shapes, threads and options, one after the
other, who is first in turns. Bandwidth is what an update must move over the time it took,
beside that of copying the weights. Needs an otherwise idle machine.
"""

import argparse
import json
import statistics
import subprocess
import time

import torch

from runs import ROOT, default_threads, environment
from speed import measure_pairs

BENCH = ROOT / "build" / "release" / "tools" / "shardopt-bench"
MODELS = {"quickstart": ["--layers=4", "--dim=128", "--heads=4"],
          "gpt": ["--layers=12", "--dim=384", "--heads=6"]}
# Of a parameter in fp32: weight and moments read and written, the gradient read.
BYTES = {"adamw": 28, "lion": 20, "copy": 8}
FORMAT = "{:<11} {:<6} {:>11} {:>9} {:>9} {:>7} {:>15} {:>9} {:>10} {:>8}"


class Ours:
    """shardopt-bench optimizer, which waits for numbers of steps."""

    def __init__(self, args, model, algorithm):
        self.process = subprocess.Popen(
            [args.bench, *MODELS[model], "optimizer", algorithm], text=True, cwd=ROOT,
            env=environment(args.threads), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.setup = self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"shardopt-bench ended with code {self.process.wait()}")
        return json.loads(line)

    def seconds(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return self.read()["seconds"]


class ForeachLion:
    """Lion (arXiv 2302.06675) as PyTorch users write it for many tensors."""

    def __init__(self, weights, lr, weight_decay, beta1=0.9, beta2=0.99):
        self.weights, self.lr, self.weight_decay = weights, lr, weight_decay
        self.beta1, self.beta2 = beta1, beta2
        self.momenta = [torch.zeros_like(weight) for weight in weights]

    @torch.no_grad()
    def step(self):
        grads = [weight.grad for weight in self.weights]
        direction = torch._foreach_lerp(self.momenta, grads, 1 - self.beta1)
        torch._foreach_sign_(direction)
        torch._foreach_mul_(self.weights, 1 - self.lr * self.weight_decay)
        torch._foreach_add_(self.weights, direction, alpha=-self.lr)
        torch._foreach_lerp_(self.momenta, grads, 1 - self.beta2)


class Theirs:
    """PyTorch's optimizer on tensors of the same shapes, in this process."""

    def __init__(self, setup, algorithm):
        torch.manual_seed(1)
        weights = [torch.nn.Parameter(torch.randn(shape)) for shape in setup["shapes"]]
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        options = {"lr": setup["lr"], "weight_decay": setup["weight_decay"]}
        if algorithm == "adamw":
            self.optimizer = torch.optim.AdamW(weights, betas=(0.9, 0.95), fused=True,
                                               **options)
        else:
            self.optimizer = ForeachLion(weights, **options)

    def seconds(self, steps):
        start = time.perf_counter()
        for _ in range(steps):
            self.optimizer.step()
        return time.perf_counter() - start


def parameters(setup):
    return sum(torch.Size(shape).numel() for shape in setup["shapes"])


def steps_for(seconds, side):
    """As many steps as take about so long."""
    side.seconds(3)
    return max(3, round(3 * seconds / side.seconds(3)))


def bandwidth(args, model, algorithm, count):
    """GB/s of what `algorithm` must move, by the median of as many measurements."""
    with Ours(args, model, algorithm) as ours:
        steps = steps_for(args.seconds, ours)
        times = [ours.seconds(steps) / steps for _ in range(args.pairs)]
    return BYTES[algorithm] * count / statistics.median(times) / 1e9


def compare(args, model, algorithm):
    with Ours(args, model, algorithm) as ours:
        theirs = Theirs(ours.setup, algorithm)
        count, steps = parameters(ours.setup), steps_for(args.seconds, ours)
        theirs.seconds(3)
        pairs = list(measure_pairs(args.pairs, {"ours": lambda: ours.seconds(steps),
                                                "torch": lambda: theirs.seconds(steps)}))
    ratios = [pair["torch"] / pair["ours"] for pair in pairs]
    a, b = (statistics.median(pair[side] for pair in pairs) / steps
            for side in ("ours", "torch"))
    print(FORMAT.format(
        model, algorithm, count, f"{1e3 * a:.3f}", f"{1e3 * b:.3f}",
        f"{statistics.median(ratios):.3f}", f"{min(ratios):.3f} to {max(ratios):.3f}",
        BYTES[algorithm], f"{BYTES[algorithm] * count / a / 1e9:.1f}",
        f"{bandwidth(args, model, 'copy', count):.1f}"), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", default=BENCH)
    parser.add_argument("--model", action="append", choices=MODELS,
                        help="may be repeated (default: all)")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5, help="of half a pair")
    parser.add_argument("--threads", type=int, default=default_threads(1))
    args = parser.parse_args()
    if args.pairs < 1 or not args.seconds > 0:
        parser.error(f"--pairs is {args.pairs}, --seconds {args.seconds}; "
                     "allowed: >= 1, > 0")
    torch.set_num_threads(args.threads)
    print(f"{args.threads} thread(s), {args.pairs} pairs, PyTorch {torch.__version__}")
    print(FORMAT.format("model", "", "parameters", "ours ms", "torch ms", "ratio",
                        "of pairs", "B/param", "ours GB/s", "copy"))
    for model in args.model or MODELS:
        for algorithm in ("adamw", "lion"):
            compare(args, model, algorithm)


if __name__ == "__main__":
    main()
