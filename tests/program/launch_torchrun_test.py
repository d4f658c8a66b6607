"""The program under torchrun: rendezvous of every kind, restarts, the error file."""

import os
import signal
import time
import unittest

from case import needs_torch
from launch_case import LaunchCase
from launchers import launcher_environment, run, torchrun, two_nodes
from program import Started, free_port

# Attempt 0 has no end; the process of each rank is known by its file. torchrun makes
# one dollar sign of two.
ENDLESS_AT_FIRST = ('echo $$$$ >"$0/pid-$RANK-$TORCHELASTIC_RESTART_COUNT"; '
                    '"$@" --show-launch; '
                    'test "$TORCHELASTIC_RESTART_COUNT" = 1 || '
                    'set -- "$@" --set train.steps=100000; exec "$@"')

# The same, until a file tells them apart.
ENDLESS_UNTIL_TOLD = ('echo $$$$ >"$0/pid-$RANK"; test -e "$0/restarted" || '
                      'set -- "$@" --set train.steps=100000; exec "$@"')


@needs_torch
class TorchrunTest(LaunchCase):
    AGENT = "TCP 127.0.0.1:[0-9]+, hosted by torchrun's agent"

    def static(self, ranks, *options):
        return ["--rdzv-backend=static", "--master-addr=127.0.0.1",
                f"--master-port={free_port()}", f"--nproc-per-node={ranks}", *options]

    def test_static_rendezvous(self):
        ended = run(torchrun(self.static(2), self.showing_and_training()))
        self.assert_shows_and_trains(ended, "torchrun", 2, self.AGENT)

    def test_one_rank(self):
        ended = run(torchrun(self.static(1), self.showing_and_training()))
        self.assert_shows_and_trains(ended, "torchrun", 1, "none")

    def test_c10d_rendezvous_of_two_agents_on_loopback(self):
        options = ["--nnodes=2", "--nproc-per-node=2", "--rdzv-backend=c10d",
                   f"--rdzv-endpoint=127.0.0.1:{free_port()}", "--rdzv-id=pair",
                   "--local-addr=127.0.0.1"]
        ended = run(*[torchrun(options, self.showing_and_training())] * 2)
        self.assert_shows_and_trains(ended, "torchrun", 4, self.AGENT, local_size=2)

    def test_c10d_rendezvous_whose_store_the_agent_does_not_share(self):
        options = ["--nproc-per-node=2", "--rdzv-backend=c10d",
                   f"--rdzv-endpoint=127.0.0.1:{free_port()}",
                   "--local-addr=127.0.0.1"]
        ended = run(torchrun(options, self.showing_and_training()),
                    TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1)
        self.assert_shows_and_trains(ended, "torchrun", 2,
                                     "TCP 127.0.0.1:[0-9]+, hosted by rank 0")

    def test_c10d_rendezvous_of_two_nodes(self):
        ended = run(two_nodes("c10d", self.showing_and_training()))
        self.assert_shows_and_trains(
            ended, "torchrun", 4, "TCP 10.77.0.1:[0-9]+, hosted by torchrun's agent",
            local_size=2)

    def test_static_rendezvous_of_two_nodes(self):
        ended = run(two_nodes("static", self.showing_and_training()))
        self.assert_shows_and_trains(
            ended, "torchrun", 4, "TCP 10.77.0.1:29511, hosted by torchrun's agent",
            local_size=2)

    def test_virtual_local_rank(self):
        ended, = run(torchrun(self.static(2, "--virtual-local-rank"), self.showing()))
        self.assertEqual(ended.code, 0, ended)
        blocks = self.shown(ended.out)
        self.assertEqual([block["rank"] for block in blocks], ["0", "1"])
        self.assertEqual([block["local rank"] for block in blocks], ["0", "0"])

    def test_a_killed_rank_starts_the_job_again(self):
        command = ["/bin/sh", "-c", ENDLESS_AT_FIRST, str(self.folder),
                   *self.program(output__path=self.folder / "run",
                                 output__log_every=1)]
        job = torchrun(self.static(2, "--max-restarts=1"), command)
        with Started([job], [launcher_environment()]) as started:
            started.read_until("step 3/100000")
            os.kill(int((self.folder / "pid-1-0").read_text()), signal.SIGKILL)
            ended, = started.wait()
        self.assertEqual(ended.code, 0, ended)
        self.assertEqual(
            [(block["rank"], block["restart"]) for block in self.shown(ended.out)],
            [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")])
        self.assert_trained(ended.out, "torchrun", 2)

    def test_a_killed_rank_starts_a_job_of_two_nodes_again(self):
        # The other node's agent takes that for a change of membership, and counts none.
        options = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d",
                   f"--rdzv-endpoint=127.0.0.1:{free_port()}", "--rdzv-id=again",
                   "--local-addr=127.0.0.1", "--max-restarts=2"]
        command = ["/bin/sh", "-c", ENDLESS_UNTIL_TOLD, str(self.folder),
                   *self.program(output__path=self.folder / "run", output__log_every=1)]
        jobs = [torchrun(options, command)] * 2
        with Started(jobs, [launcher_environment()] * 2) as started:
            log = self.folder / "run" / "metrics.csv"
            self.wait_until(lambda: log.exists() and log.read_text().count("\n") > 3)
            (self.folder / "restarted").touch()
            os.kill(int((self.folder / "pid-1").read_text()), signal.SIGKILL)
            ended = started.wait()
        self.assertEqual([one.code for one in ended], [0, 0], ended)
        self.assertIn("step 3/3", ended[0].out + ended[1].out)

    def wait_until(self, is_so):
        end = time.monotonic() + 60
        while not is_so():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)

    def test_the_cause_is_in_the_summary(self):
        absent = self.folder / "absent.txt"
        ended, = run(torchrun(self.static(2), self.program(data__path=absent)))
        self.assertNotEqual(ended.code, 0)
        summary = ended.err.split("Root Cause")[1]
        self.assertRegex(summary, r"rank [01]: .*absent\.txt.*No such file")


if __name__ == "__main__":
    unittest.main()
