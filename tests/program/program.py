"""The training program, started as users do: alone, as n ranks, under torchrun."""

import dataclasses
import os
import pathlib
import random
import select
import socket
import subprocess
import sys
import tempfile
import time

PROGRAM = os.environ["SHARDOPT_TRAIN"]
SOURCE_DIR = pathlib.Path(os.environ["SHARDOPT_SOURCE_DIR"])
TIMEOUT_SECONDS = 90  # Of one start of all ranks; alone each takes about one second.
PATIENCE_SECONDS = 40  # With what did not end; torchrun kills its ranks after 30.

# A run that takes a fraction of a second; every test changes what it is about.
SMALL = {
    "model.layers": 2, "model.dim": 32, "model.heads": 2, "model.context": 32,
    "optimizer.lr": 0.003, "schedule.name": "constant",
    "train.steps": 3, "train.batch": 12, "output.sample_bytes": 0,
}


@dataclasses.dataclass(frozen=True)
class Ended:
    """What became of a process."""
    code: int  # Exit code; negative: the signal that killed it.
    out: str
    err: str
    seconds: float  # From the start of the first rank to the end of this one, or later.


def arguments(settings):
    """The command line of SMALL, changed by `settings`: path of a field -> value."""
    return [part for path, value in {**SMALL, **settings}.items()
            for part in ("--set", f"{path}={value}")]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def clean_environment():
    """Ours, without anything by which a launcher would speak to the program."""
    known = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR",
             "MASTER_PORT")
    launchers = ("TORCHELASTIC_", "OMPI_", "PMIX_", "SLURM_")
    ours = {name: value for name, value in os.environ.items()
            if name not in known and not name.startswith(launchers)}
    return {**ours, "OMP_NUM_THREADS": "1"}


def rank_environment(rank, ranks, port):
    """The environment that a launcher gives to `rank`; nothing for a single process."""
    if ranks == 1:
        return clean_environment()
    return {**clean_environment(), "RANK": str(rank), "WORLD_SIZE": str(ranks),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


class Started:
    """Processes under way. As a context, none of them outlives it."""

    def __init__(self, commands, environments, folders=None):
        self.began = time.monotonic()
        self.said = b""  # What we have read of the first process's standard output.
        self.pipe, pipe_in = os.pipe()
        self.logs = [(tempfile.TemporaryFile(), tempfile.TemporaryFile())
                     for _ in commands]
        self.processes = []
        for rank, command in enumerate(commands):
            out, err = self.logs[rank]
            self.processes.append(subprocess.Popen(
                command, env=environments[rank], cwd=folders and folders[rank],
                stdin=subprocess.DEVNULL, stdout=out if rank else pipe_in, stderr=err))
        os.close(pipe_in)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A signal that can be handled comes first: torchrun ends its ranks then.
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        os.close(self.pipe)
        for log in self.logs:
            for file in log:
                file.close()

    def read(self, timeout):
        """Waits for more of what the first process says; False at its end."""
        ready, _, _ = select.select([self.pipe], [], [], max(timeout, 0))
        if not ready:
            said = [self.texts(rank) for rank in range(len(self.logs))]
            raise AssertionError(f"no end after {time.monotonic() - self.began:.0f} s; "
                                 f"said: {said}")
        more = os.read(self.pipe, 1 << 16)
        self.said += more
        return bool(more)

    def read_until(self, text, timeout=TIMEOUT_SECONDS):
        """Waits until the first process has said `text`."""
        end = time.monotonic() + timeout
        while text.encode() not in self.said:
            if not self.read(end - time.monotonic()):
                raise AssertionError(f"ended before '{text}': {self.texts(0)}")

    def wait(self, timeout=TIMEOUT_SECONDS):
        """How each process ended, in order of rank. Fails if one runs too long."""
        end = self.began + timeout
        while self.read(end - time.monotonic()):
            pass
        ended = []
        for rank, process in enumerate(self.processes):
            try:
                code = process.wait(max(end - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                raise AssertionError(f"rank {rank} still runs after {timeout} s; "
                                     f"it said: {self.texts(rank)}") from None
            ended.append(Ended(code, *self.texts(rank), time.monotonic() - self.began))
        return ended

    def texts(self, rank):
        """Standard output and standard error so far."""
        texts = [os.pread(file.fileno(), 1 << 24, 0) for file in self.logs[rank]]
        if rank == 0:
            texts[0] = self.said
        return [text.decode(errors="replace") for text in texts]


def start_ranks(arguments_by_rank, port=None, folders=None, prefix=()):
    """One process for each entry, which has the arguments of that rank."""
    ranks, port = len(arguments_by_rank), port or free_port()
    return Started([[*prefix, PROGRAM, *entry] for entry in arguments_by_rank],
                   [rank_environment(rank, ranks, port) for rank in range(ranks)],
                   folders)


def run_ranks(arguments_by_rank, **options):
    with start_ranks(arguments_by_rank, **options) as started:
        return started.wait()


def run_alone(arguments_of_one, **options):
    return run_ranks([arguments_of_one], **options)[0]


def torchrun(ranks, command):
    """The command that starts `command`, a Python script or a program, by torchrun."""
    script = [] if command[0].endswith(".py") else ["--no-python"]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone",
            f"--nproc-per-node={ranks}", *script, *command]


def start_torchrun(ranks, command):
    return Started([torchrun(ranks, command)], [clean_environment()])


def run_torchrun(ranks, command):
    with start_torchrun(ranks, command) as started:
        return started.wait()[0]


def words(count, seed=0):
    """Text of `count` words, the same each time, with something in it to be learnt."""
    draw = random.Random(seed)
    syllables = ["ba", "de", "fi", "go", "lu", "men", "ra", "sho", "ti", "vor"]
    lexicon = ["".join(draw.choices(syllables, k=draw.randint(1, 3)))
               for _ in range(200)]
    return " ".join(draw.choices(lexicon, k=count)) + "\n"
