r"""Trains the same GPT in PyTorch, from the same weights, on the same batches.

    shardopt-train --config X --set train.steps=0 --set schedule.warmup_steps=0 \
        --set output.path=RUN
    gpt_reference.py RUN --steps 20
    torchrun --standalone --nproc-per-node=2 gpt_reference.py RUN --steps 20 --fsdp2

prints one JSON object: the loss of each step and the options in force. Paths in the
configuration start at the current folder. Schedules end after --steps.
"""

import argparse
import json
import os
import sys

import torch.distributed as dist

from gpt_training import Training


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="output folder of a run with train.steps=0")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--fsdp2", action="store_true",
                        help="shard with fully_shard, under torchrun")
    args = parser.parse_args()
    if args.fsdp2:
        dist.init_process_group("gloo")
    training = Training(args.run, args.steps, args.fsdp2)
    losses = [training.mean_over_ranks(training.step(step)) for step in range(args.steps)]
    if training.rank == 0:
        print(json.dumps({"ranks": training.ranks, "fsdp2": args.fsdp2,
                          "losses": losses}))
    if args.fsdp2:
        dist.barrier()
        sys.stdout.flush()
        os._exit(0)  # Gloo's threads now and then abort an orderly exit.


if __name__ == "__main__":
    main()
