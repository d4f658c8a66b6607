"""The program under mpirun, under srun, by hand; launches that cannot be."""

import socket
import unittest

from case import needs_torch
from launch_case import LaunchCase
from launchers import (HAS_MPI, Slurm, launcher_environment, mpirun, needs_mpirun, run,
                       srun, torchrun)
from program import Started, free_port

PATIENCE_SECONDS = 3  # mesh.timeout_seconds of runs in which somebody does not come.
# A pipe waits for the job: its reader until it begins, and then until it has ended.
SUBMIT = ('mkfifo "$0"; sbatch --quiet --output=/dev/null --ntasks=2 --overcommit '
          '--wrap "$* >$0" && cat "$0"')


class NoLauncherTest(LaunchCase):
    def test_one_rank(self):
        ended = run(self.showing_and_training())
        self.assert_shows_and_trains(ended, "none", 1, "none")

    def test_a_rank_that_cannot_meet_the_others_shows_what_it_knows(self):
        ended, = run(self.showing(train__threads=2), RANK=1, WORLD_SIZE=2,
                     MASTER_ADDR="absent.invalid", MASTER_PORT=29500)
        self.assertEqual((ended.code, ended.err), (0, ""))
        block, = self.shown(ended.out)
        self.assertEqual(
            (block["launcher"], block["rank"], block["threads"], block["store"]),
            ("environment", "1", "2", "TCP absent.invalid:29500, hosted by rank 0"))

    def test_a_configuration_that_is_wrong_is_not_shown(self):
        ended, = run(self.showing(optimizer__lr=-1))
        self.assertEqual(ended.out, "")
        self.assert_failed(ended, ["optimizer.lr is -1"])

    def test_an_answer_that_nobody_can_read_is_an_error(self):
        ended, = run(["/bin/sh", "-c", '"$@" >/dev/full', "sh", *self.showing()])
        self.assert_failed(ended, ["standard output: No space left on device"])


@needs_mpirun
class MpirunTest(LaunchCase):
    @unittest.skipUnless(HAS_MPI, "this build has no MPI")
    def test_two_ranks_meet_by_mpi(self):
        ended = run(mpirun(2, self.showing_and_training()))
        self.assert_shows_and_trains(ended, "mpirun", 2,
                                     "TCP, at an address that rank 0 tells by MPI")

    @unittest.skipIf(HAS_MPI, "this build has MPI")
    def test_a_build_without_mpi_says_so(self):
        ended, = run(mpirun(2, self.program()))
        self.assertNotEqual(ended.code, 0)
        self.assertIn("this build has no MPI", ended.err)

    def test_two_ranks_meet_at_an_address(self):
        port = free_port()
        ended = run(mpirun(2, self.showing_and_training()), MASTER_ADDR="127.0.0.1",
                    MASTER_PORT=port)
        self.assert_shows_and_trains(ended, "mpirun", 2,
                                     f"TCP 127.0.0.1:{port}, hosted by rank 0")

    def test_one_rank(self):
        ended = run(mpirun(1, self.showing_and_training()))
        self.assert_shows_and_trains(ended, "mpirun", 1, "none")

    def test_another_rank_by_hand_names_both(self):
        ended, = run(mpirun(2, self.showing()), RANK=0, WORLD_SIZE=2)
        self.assertNotEqual(ended.code, 0)
        self.assertIn("RANK is 0 but OMPI_COMM_WORLD_RANK is 1", ended.err)

    def test_port_that_is_taken(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            command = self.program(mesh__timeout_seconds=PATIENCE_SECONDS)
            ended, = run(mpirun(2, command), MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        self.assertNotEqual(ended.code, 0)
        self.assertRegex(ended.err, f"MASTER_PORT is {port}, .*taken")


class SrunTest(LaunchCase):
    @classmethod
    def setUpClass(cls):
        cls.slurm = cls.enterClassContext(Slurm())

    def run_srun(self, ranks, command, **variables):
        return run(srun(ranks, command), SLURM_CONF=self.slurm.configuration,
                   **variables)

    def test_two_ranks_meet_on_loopback(self):
        ended = self.run_srun(2, self.showing_and_training())
        self.assert_shows_and_trains(ended, "srun", 2,
                                     "TCP 127.0.0.1:2[0-9]{4}, hosted by rank 0")

    def test_two_ranks_meet_at_an_address(self):
        port = free_port()
        ended = self.run_srun(2, self.showing_and_training(), MASTER_ADDR="localhost",
                              MASTER_PORT=port)
        self.assert_shows_and_trains(ended, "srun", 2,
                                     f"TCP localhost:{port}, hosted by rank 0")

    def test_one_rank(self):
        ended = self.run_srun(1, self.showing_and_training())
        self.assert_shows_and_trains(ended, "srun", 1, "none")

    def test_a_batch_script_without_srun_is_one_rank(self):
        answer = str(self.folder / "answer")
        command = ["/bin/sh", "-c", SUBMIT, answer, *self.showing()]
        ended, = run(command, SLURM_CONF=self.slurm.configuration)
        self.assertEqual((ended.code, ended.err), (0, ""))
        self.assert_shown(ended.out, "none", 1, "none")

    @needs_torch
    def test_ranks_of_an_agent_on_each_node_are_those_of_torchrun(self):
        options = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d",
                   f"--rdzv-endpoint=127.0.0.1:{free_port()}", "--rdzv-id=pair",
                   "--local-addr=127.0.0.1"]
        ended, = self.run_srun(2, torchrun(options, self.showing()))
        self.assertEqual(ended.code, 0, ended)
        self.assert_shown(ended.out, "torchrun", 2,
                          "TCP 127.0.0.1:[0-9]+, hosted by torchrun's agent",
                          local_size=1)

    def test_another_size_by_hand_names_both(self):
        ended, = self.run_srun(2, self.showing(), RANK=0, WORLD_SIZE=4)
        self.assertNotEqual(ended.code, 0)
        self.assertIn("WORLD_SIZE is 4 but SLURM_STEP_NUM_TASKS is 2", ended.err)
        self.assertIn("RANK is 0 but SLURM_PROCID is 1", ended.err)


class BadLaunchTest(LaunchCase):
    def assert_both_fail(self, words, address="127.0.0.1", **variables):
        port = free_port()
        command = self.program(mesh__timeout_seconds=PATIENCE_SECONDS)
        environments = [
            launcher_environment(RANK=rank, WORLD_SIZE=2, MASTER_ADDR=address,
                                 MASTER_PORT=port, **variables) for rank in (0, 1)]
        with Started([command] * 2, environments) as started:
            self.assert_all_failed(started.wait(), [words] * 2)

    def test_address_that_does_not_resolve(self):
        self.assert_both_fail(["absent.invalid"], address="absent.invalid")

    def test_interface_that_does_not_exist(self):
        self.assert_both_fail(["GLOO_SOCKET_IFNAME", "absent0"],
                              GLOO_SOCKET_IFNAME="absent0")


if __name__ == "__main__":
    unittest.main()
