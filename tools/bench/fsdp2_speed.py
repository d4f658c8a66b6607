#!/usr/bin/env python3
r"""Tokens per second of PyTorch FSDP2 on the training program's model, data and optimizer.

    shardopt-train --config X --set train.steps=0 --set schedule.warmup_steps=0 \
        --set output.path=RUN
    torchrun --standalone --nproc-per-node=2 tools/bench/fsdp2_speed.py RUN --steps 60

prints one JSON object. As the program does, each step clips and takes the mean loss of
all ranks; the first --warmup steps are not timed.
"""

import argparse
import json
import os
import pathlib
import sys
import time

import torch
import torch.distributed as dist

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests" / "reference"))
from gpt_training import Training  # noqa: E402


def timed_steps(training, steps, warmup):
    """(seconds, CPU seconds of this rank) that the steps after the warm-up took."""
    for step in range(steps):
        if step == warmup:
            start, cpu_start = time.perf_counter(), time.process_time()
        training.mean_over_ranks(training.step(step))
    return time.perf_counter() - start, time.process_time() - cpu_start


def sum_over_ranks(value):
    total = torch.tensor(value, dtype=torch.float64)
    dist.all_reduce(total)
    return total.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="output folder of a run with train.steps=0")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--warmup", type=int, default=10)
    args = parser.parse_args()
    if not 0 <= args.warmup < args.steps:
        parser.error(f"--warmup is {args.warmup}; allowed: 0 to --steps - 1")
    dist.init_process_group("gloo")
    training = Training(args.run, args.steps, sharded=True)
    seconds, cpu = timed_steps(training, args.steps, args.warmup)
    cpu = sum_over_ranks(cpu)
    config = training.config
    tokens = config["train"]["batch"] * config["model"]["context"]
    if training.rank == 0:
        print(json.dumps({
            "torch": torch.__version__, "ranks": training.ranks,
            "threads": torch.get_num_threads(),
            "tokens_per_second": tokens * (args.steps - args.warmup) / seconds,
            "cpu_seconds_per_step": cpu / (args.steps - args.warmup)}))
    dist.barrier()
    sys.stdout.flush()
    os._exit(0)  # Gloo's threads now and then abort an orderly exit.


if __name__ == "__main__":
    main()
