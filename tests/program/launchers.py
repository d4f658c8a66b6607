"""torchrun, mpirun and srun on one machine, and what each says to its ranks."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from program import PATIENCE_SECONDS, Started, clean_environment, free_port

HERE = pathlib.Path(__file__).parent
IS_ROOT = os.geteuid() == 0
HAS_MPI = os.environ["SHARDOPT_HAS_MPI"] == "1"  # The program's build.

needs_mpirun = unittest.skipUnless(shutil.which("mpirun"), "there is no mpirun")


def launcher_environment(**variables):
    """Ours with `variables`, without those of a launcher that has started us."""
    if IS_ROOT:  # mpirun otherwise refuses to run.
        variables = {**variables, "OMPI_ALLOW_RUN_AS_ROOT": "1",
                     "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return {**clean_environment(), **{name: str(value) for name, value in variables.items()}}


def torchrun(options, command):
    return [sys.executable, "-m", "torch.distributed.run", *map(str, options),
            "--no-python", *command]


def mpirun(ranks, command):
    """For more ranks than this machine has cores, too."""
    return ["mpirun", "-n", str(ranks), "--oversubscribe", "--bind-to", "none",
            *command]


def srun(ranks, command):
    return ["srun", "--ntasks", str(ranks), "--overcommit", *command]


def two_nodes(backend, command):
    """A torchrun job of 2 x 2 ranks in two network namespaces.

    Raises SkipTest, with the reason, where they cannot be made.
    """
    script = str(HERE / "two_nodes.sh")
    network = subprocess.run([script], stderr=subprocess.PIPE, text=True, check=False)
    if network.returncode != 0:
        raise unittest.SkipTest(f"no network namespaces: {network.stderr.strip()}")
    return [script, backend, sys.executable, *command]


def run(*commands, **variables):
    """How each of `commands`, which belong to one job, ended."""
    with Started(commands, [launcher_environment(**variables)] * len(commands)) as job:
        return job.wait()


class Slurm(contextlib.AbstractContextManager):
    """A Slurm of this machine alone; `configuration` is what SLURM_CONF names.

    Raises SkipTest, naming the daemon, where one of its daemons cannot start.
    """

    def __init__(self):
        if not shutil.which("srun"):
            raise unittest.SkipTest("there is no srun")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardopt-slurm-"))
        self.configuration = self.folder / "slurm.conf"
        # It ends when its standard input does, which is when we do at the latest.
        self.daemons = subprocess.Popen(
            [HERE / "slurm_local.sh", self.folder, str(free_port()), str(free_port())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=launcher_environment())
        said = self.daemons.stdout.readline().strip()
        if said == "ready":
            return
        self.__exit__()
        if "does not start" in said:
            raise unittest.SkipTest(said)
        raise AssertionError(f"slurm_local.sh said '{said}'")

    def __exit__(self, *_):
        self.daemons.stdin.close()
        try:
            self.daemons.wait(PATIENCE_SECONDS)
        finally:
            self.daemons.kill()
            self.daemons.stdout.close()
            shutil.rmtree(self.folder)
