"""Speed and CPU time of the training program's steps, for the benchmarks beside this file."""

import pathlib
import tempfile
import typing

from runs import PROGRAM, default_threads, train


class Speed(typing.NamedTuple):
    tokens_per_second: float
    cpu_seconds: float  # of one step, over all ranks


def add_arguments(parser):
    parser.add_argument("--config", default="tools/configs/adamw.txtpb")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE",
                        help="for every run, as model.layers=8; may be repeated")
    parser.add_argument("--program", default=PROGRAM)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, help="per rank; default: cores / ranks")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--warmup", type=int, default=10, help="steps not timed")


def check_arguments(parser, args):
    if not 1 <= args.warmup < args.steps:
        parser.error(f"--warmup is {args.warmup}; allowed: 1 to --steps - 1")
    if args.pairs < 1:
        parser.error(f"--pairs is {args.pairs}; allowed: >= 1")


class Program:
    """The training program at a number of ranks. `args` are those of add_arguments."""

    def __init__(self, args, ranks, folder):
        self.args = args
        self.ranks = ranks
        self.threads = args.threads or default_threads(ranks)
        self.output = pathlib.Path(folder) / f"run{ranks}"
        _, self.cpu_of_warmup = self.run(args.warmup)  # and of start and end

    def run(self, steps):
        """(metrics, CPU seconds of all ranks) of `steps` steps and one more, which is
        not timed: a run ends by writing its files."""
        settings = [*self.args.set, f"train.steps={steps + 1}", "schedule.warmup_steps=0",
                    "train.validate_every=0", "output.sample_bytes=0"]
        with tempfile.TemporaryDirectory() as cpu:
            rows = train(self.args.program, self.args.config, settings, self.output,
                         self.ranks, self.threads, cpu)
            seconds = [float(path.read_text(encoding="utf-8"))
                       for path in pathlib.Path(cpu).iterdir()]
        return rows, sum(seconds)

    def speed(self):
        steps, warmup = self.args.steps, self.args.warmup
        rows, cpu = self.run(steps)
        first, last = rows[warmup - 1], rows[steps - 1]
        return Speed((last["tokens"] - first["tokens"]) / (last["seconds"] - first["seconds"]),
                     (cpu - self.cpu_of_warmup) / (steps - warmup))


def measure_pairs(pairs, measurements):
    """Yields what the two measurements, by name, give pair by pair; who is first in turns."""
    for pair in range(pairs):
        order = sorted(measurements, reverse=pair % 2 == 0)
        yield {name: measurements[name]() for name in order}
