#!/usr/bin/env python3
"""One save or load by torch.distributed.checkpoint, of as much as shardopt-bench's.

    torchrun --standalone --nproc-per-node=2 tools/bench/dcp_speed.py save --path FOLDER

Each rank holds its rows of DTensors of 32 MiB; prints one JSON object as
`shardopt-bench checkpoint` does.
"""

import argparse
import json
import pathlib
import time

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard

COLUMNS = 4096
TENSOR_BYTES = 32 << 20


def make_state(mib_per_rank):
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    rows = TENSOR_BYTES // (4 * COLUMNS) // dist.get_world_size()
    count = (mib_per_rank << 20) * dist.get_world_size() // TENSOR_BYTES
    torch.manual_seed(dist.get_rank())
    return {f"weight.{i}": DTensor.from_local(torch.randn(rows, COLUMNS), mesh, [Shard(0)])
            for i in range(count)}


def status_kib(field):
    for line in pathlib.Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise LookupError(field)


def reduced(value, op):
    total = torch.tensor(value, dtype=torch.float64)
    dist.all_reduce(total, op)
    return total.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["save", "load"])
    parser.add_argument("--path", required=True)
    parser.add_argument("--mib", type=int, default=1024, help="of each rank")
    args = parser.parse_args()
    dist.init_process_group("gloo")
    state = make_state(args.mib)
    pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = status_kib("VmRSS")
    dist.barrier()
    start, cpu_start = time.perf_counter(), time.process_time()
    if args.action == "save":
        dcp.save(state, storage_writer=dcp.FileSystemWriter(args.path, thread_count=2))
    else:
        dcp.load(state, checkpoint_id=args.path)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    peak = (status_kib("VmHWM") - before) / 1024
    line = {"action": args.action, "seconds": reduced(seconds, dist.ReduceOp.MAX),
            "cpu_seconds": reduced(cpu, dist.ReduceOp.SUM),
            "bytes": float(args.mib << 20) * dist.get_world_size(),
            "peak_mib": reduced(peak, dist.ReduceOp.MAX), "stall_seconds": 0.0}
    if dist.get_rank() == 0:
        print(json.dumps(line))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
