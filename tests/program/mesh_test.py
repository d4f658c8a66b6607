"""Copies of a sharded model, backends, checks: none changes what is learnt."""

import unittest

from safetensors.numpy import load_file

from case import largest_difference, read_losses, read_metrics
from failure_case import FailureCase
from launchers import HAS_MPI, mpirun, needs_mpirun, run
from program import PROGRAM, run_ranks

STEPS = {"train.steps": 20}
COPIES = {"mesh.shard": 2, "mesh.replicate": 2}  # of 4 ranks
COMPARED = {"train.divergence_every": 1}
LION = {"optimizer.name": "lion", "optimizer.lr": 0.0003, **COMPARED}
MUON = {"optimizer.name": "muon", "optimizer.muon.scale": "rms", **COMPARED}

# Gradients of copies, ranks and micro-batches are summed in another order than those of
# one batch: fp32 has 1.2e-7 per rounding.
ORDER_TOLERANCE = 1e-6
# Lion moves each entry by lr or -lr, and Muon's polar factor amplifies what is small:
# see ranks_test.
SIGN_TOLERANCE = 1e-5
# Absolute, after 20 steps that move weights by lr = 3e-3 each; measured: 1.1e-6.
WEIGHT_TOLERANCE = 2e-5


class MeshCase(FailureCase):
    def assert_same_bits(self, folder, expected):
        self.assertEqual([row["loss"] for row in read_metrics(folder)],
                         [row["loss"] for row in read_metrics(expected)])
        self.assertEqual((folder / "model.safetensors").read_bytes(),
                         (expected / "model.safetensors").read_bytes())

    def norms(self, folder):
        return [float(row["grad_norm"]) for row in read_metrics(folder)]


class CopiesTest(MeshCase):
    def test_every_mesh_of_4_ranks_agrees_with_1_rank(self):
        settings = {**STEPS, "train.validate_every": 10}
        one = self.train(1, settings, "one")
        for shard, replicate in ((2, 2), (4, 1), (1, 4)):
            with self.subTest(shard=shard, replicate=replicate):
                run = self.train(4, {**settings, "mesh.shard": shard,
                                     "mesh.replicate": replicate},
                                 f"{replicate}x{shard}")
                self.assert_near(read_losses(run), read_losses(one), ORDER_TOLERANCE)
                self.assert_near(self.norms(run), self.norms(one), ORDER_TOLERANCE)
                validation = [[float(row["val_loss"]) for row in read_metrics(folder)
                               if row["val_loss"]] for folder in (run, one)]
                self.assertEqual(len(validation[1]), 2)
                self.assert_near(*validation, ORDER_TOLERANCE)
                self.assert_weights_near(run, one)

    def assert_weights_near(self, folder, expected_folder):
        weights, expected = (load_file(path / "model.safetensors")
                             for path in (folder, expected_folder))
        self.assertEqual(weights.keys(), expected.keys())
        for name, whole in expected.items():
            self.assertLess(abs(weights[name] - whole).max(), WEIGHT_TOLERANCE, name)

    def test_zero_stands_for_the_rest(self):
        runs = []
        for shard, replicate in ((0, 2), (2, 0)):
            runs.append(self.folder / f"{replicate}x{shard}")
            entry = self.arguments({"mesh.shard": shard, "mesh.replicate": replicate,
                                    "output.path": runs[-1]})
            ended = run_ranks([entry] * 4)
            self.assertIn("4 ranks (launcher: environment), 2 copies over 2 rank(s) "
                          "each, backend gloo", ended[0].out)
        self.assert_same_bits(*runs)

    def test_2_copies_over_3_ranks_some_of_which_hold_no_row(self):
        # 256 rows of the embedding are 86, 86 and 84; the 2 of a norm are 1, 1 and 0.
        tiny = {**STEPS, "model.dim": 2, "model.heads": 1}
        uneven = {**tiny, "mesh.shard": 3, "mesh.replicate": 2}
        self.assert_near(self.losses(6, uneven), self.losses(1, tiny),
                         ORDER_TOLERANCE)

    def test_lion_agrees_with_1_rank(self):
        settings = {**STEPS, **LION}
        self.assert_near(self.losses(4, {**settings, **COPIES}),
                         self.losses(1, settings), SIGN_TOLERANCE)

    def test_muon_agrees_with_one_copy_cut_as_often(self):
        settings = {**STEPS, **MUON}
        self.assert_near(self.losses(4, {**settings, **COPIES}),
                         self.losses(2, settings), SIGN_TOLERANCE)

    def test_accumulation_agrees_with_one_batch_in_both_ways_to_accumulate(self):
        one = self.losses(1, STEPS)
        for way in ("shards", "whole"):
            with self.subTest(way):
                settings = {**STEPS, **COPIES, "train.accumulation": 3,
                            "mesh.accumulate": way}
                self.assert_near(self.losses(4, settings, way), one, ORDER_TOLERANCE)

    def test_clipping_agrees_with_1_rank(self):
        settings = {**STEPS, "train.clip_norm": 0.05, "optimizer.adamw.eps": 0.01}
        one = self.train(1, settings, "one")
        run = self.train(4, {**settings, **COPIES}, "copies")
        self.assertGreater(min(self.norms(one)), 0.05)
        self.assert_near(self.norms(run), self.norms(one), ORDER_TOLERANCE)
        self.assert_near(read_losses(run), read_losses(one), ORDER_TOLERANCE)
        # With this epsilon the size of gradients matters: clipping does something.
        free = self.losses(1, {**settings, "train.clip_norm": 0}, "free")
        self.assertGreater(largest_difference(free, read_losses(one)), 1e-3)


class SameBitsTest(MeshCase):
    def assert_change_no_bit(self, ranks, settings, changes):
        settings = {**settings, "train.divergence_every": 0}
        plain = self.train(ranks, settings, "plain")
        for name, change in changes.items():
            with self.subTest(name):
                self.assert_same_bits(self.train(ranks, {**settings, **change}, name),
                                      plain)

    def test_comparing_the_state_of_ranks_changes_no_bit(self):
        self.assert_change_no_bit(2, {}, {"compared": COMPARED})

    def test_comparing_and_checking_copies_and_no_overlap_change_no_bit(self):
        self.assert_change_no_bit(4, COPIES, {
            "compared": COMPARED, "checked": {"mesh.check_calls": "true"},
            "serial": {"mesh.overlap": "false"}})


@needs_mpirun
@unittest.skipUnless(HAS_MPI, "this build has no MPI")
class MpiTest(MeshCase):
    def train_over_mpi(self, ranks, settings, name):
        output = self.folder / name
        entry = self.arguments({"mesh.backend": "mpi", "output.path": output,
                                **settings})
        ended, = run(mpirun(ranks, [PROGRAM, *entry]))
        self.assertEqual((ended.code, ended.err), (0, ""))
        self.assertIn("backend mpi", ended.out)
        return output

    def test_losses_over_mpi_are_those_over_gloo(self):
        settings = {**STEPS, "train.validate_every": 10}
        for ranks, mesh in ((2, {}), (4, COPIES)):
            with self.subTest(ranks=ranks):
                gloo = self.train(ranks, {**settings, **mesh}, f"gloo-{ranks}")
                mpi = self.train_over_mpi(ranks, {**settings, **mesh,
                                                  "mesh.check_calls": "true"},
                                          f"mpi-{ranks}")
                self.assert_near(read_losses(mpi), read_losses(gloo), ORDER_TOLERANCE)
                self.assert_near(self.norms(mpi), self.norms(gloo), ORDER_TOLERANCE)
                last = [[float(read_metrics(folder)[-1]["val_loss"])]
                        for folder in (mpi, gloo)]
                self.assert_near(*last, ORDER_TOLERANCE)

    def test_ranks_that_mpirun_has_not_started_name_the_backend_and_mpirun(self):
        self.assert_refused({"mesh.backend": "mpi"}, "mesh.backend is 'mpi'", "mpirun",
                            ranks=(2,))


class BadBackendTest(FailureCase):
    def test_nccl_on_a_cpu(self):
        self.assert_refused({"mesh.backend": "nccl"}, "mesh.backend is 'nccl'",
                            "device cpu", "allowed: auto, gloo, mpi")

    def test_unknown_backend(self):
        self.assert_refused({"mesh.backend": "glo"}, "mesh.backend is 'glo'",
                            "auto | gloo | nccl | mpi", "did you mean 'gloo'")

    def test_timeout_that_is_not_above_0(self):
        for seconds in (0, -1):
            self.assert_refused({"mesh.timeout_seconds": seconds},
                                f"mesh.timeout_seconds is {seconds}", "[1, 604800]",
                                ranks=(1,))
        self.assert_refused({"mesh.timeout_seconds": 0}, "mesh.timeout_seconds is 0",
                            ranks=(2,))

    def test_neither_copies_nor_their_ranks_given(self):
        self.assert_refused({"mesh.shard": 0, "mesh.replicate": 0},
                            "mesh.shard and mesh.replicate are both 0",
                            "allowed: one of them")


if __name__ == "__main__":
    unittest.main()
