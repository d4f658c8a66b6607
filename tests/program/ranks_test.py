"""Training over ranks: one trajectory at any number of them, the same bits at one."""

import math
import unittest

from case import ProgramCase, needs_torch, read_losses, read_metrics
from program import PROGRAM, run_torchrun

STEPS = {"train.steps": 20}
LION = {"optimizer.name": "lion", "optimizer.lr": 0.0003}
MUON = {"optimizer.name": "muon", "optimizer.muon.scale": "rms"}

# Gradients of ranks and of micro-batches are summed in another order than those of one
# batch: fp32 has 1.2e-7 per rounding.
ORDER_TOLERANCE = 1e-6
# Lion moves each entry by lr or -lr. Where rounding turns a sign, that entry is 2 lr =
# 6e-4 off at once; but that happens only where the gradient is within about 1e-7 of 0,
# so an entry moves the loss by 1e-10. Some ten thousand of them, all in one direction,
# are 1e-6 of a loss of order 1; and ten times that is allowed for over 20 steps.
LION_TOLERANCE = 1e-5
# local_shard orthogonalizes rows of each rank by themselves: another algorithm for each
# number of ranks, with steps of the same size.
LOCAL_SHARD_TOLERANCE = 0.02
# bf16 has 8 bits, 4e-3 per rounding; a loss is a mean over 384 predictions.
BF16_COMPUTE_TOLERANCE = 4e-3
# Only gradients on their way are rounded; AdamW's steps hardly depend on their size.
BF16_REDUCE_TOLERANCE = 2e-4


class SameTrajectoryTest(ProgramCase):
    def assert_same_at_every_size(self, settings, tolerance):
        one = self.losses(1, {**STEPS, **settings})
        self.assertLess(one[-1], one[0] - 0.3)  # It learns: weights do matter.
        for ranks in (2, 3, 4):
            with self.subTest(ranks=ranks):
                many = self.losses(ranks, {**STEPS, **settings})
                self.assert_near(many, one, tolerance)

    def test_adamw_on_2_3_and_4_ranks_agrees_with_1_rank(self):
        self.assert_same_at_every_size({}, ORDER_TOLERANCE)

    def test_adamw_without_clipping_agrees_with_1_rank(self):
        self.assert_same_at_every_size({"train.clip_norm": 0}, ORDER_TOLERANCE)

    def test_lion_on_2_3_and_4_ranks_agrees_with_1_rank(self):
        self.assert_same_at_every_size(LION, LION_TOLERANCE)

    def test_ranks_without_a_row_of_their_own_train_as_well(self):
        # A norm of 2 entries leaves the third rank nothing.
        tiny = {**STEPS, "model.dim": 2, "model.heads": 1}
        self.assert_near(self.losses(3, tiny), self.losses(1, tiny), ORDER_TOLERANCE)

    def test_validation_loss_agrees_with_1_rank(self):
        settings = {"train.steps": 4, "train.validate_every": 2}
        values = {ranks: [float(row["val_loss"]) for row in
                          read_metrics(self.train(ranks, settings, str(ranks)))[1::2]]
                  for ranks in (1, 3)}
        self.assert_near(values[3], values[1], ORDER_TOLERANCE)

    def test_accumulation_agrees_with_one_batch_in_both_ways_to_accumulate(self):
        one = self.losses(1, STEPS)
        for ranks, accumulation in ((1, 2), (1, 4), (2, 2), (3, 4)):
            for way in ("shards", "whole"):
                name = f"{ranks}-{accumulation}-{way}"
                settings = {**STEPS, "train.accumulation": accumulation,
                            "mesh.accumulate": way}
                with self.subTest(name):
                    self.assert_near(self.losses(ranks, settings, name), one,
                                     ORDER_TOLERANCE)

    def test_bf16_is_near_fp32(self):
        exact = self.losses(2, STEPS)
        reduce = {"mesh.reduce_dtype": "bf16"}
        reduced = self.losses(2, {**STEPS, **reduce}, "reduce")
        computed = self.losses(
            2, {**STEPS, **reduce, "mesh.compute_dtype": "bf16"}, "compute")
        self.assert_near(reduced, exact, BF16_REDUCE_TOLERANCE)
        self.assert_near(computed, exact, BF16_COMPUTE_TOLERANCE)
        # Each choice reaches the arithmetic.
        self.assertNotEqual(reduced, exact)
        self.assertNotEqual(computed, reduced)


class SameBitsTest(ProgramCase):
    def assert_same_twice(self, ranks, settings):
        first, second = (self.train(ranks, settings, name) for name in ("a", "b"))
        self.assertEqual([row["loss"] for row in read_metrics(first)],
                         [row["loss"] for row in read_metrics(second)])
        self.assertEqual((first / "model.safetensors").read_bytes(),
                         (second / "model.safetensors").read_bytes())
        return read_losses(first)

    def test_one_command_twice_gives_the_same_bits(self):
        self.assert_same_twice(1, {})
        self.folder = self.folder / "on-3"
        self.assert_same_twice(3, {**MUON, "train.accumulation": 2})

    def test_dropout_is_the_same_twice_and_does_something(self):
        dropped = self.assert_same_twice(3, {"model.dropout": 0.1})
        self.assertNotEqual(dropped, self.losses(3, {}))

    def test_dropout_masks_differ_between_ranks(self):
        # Every sample is the same, so nothing but masks can make ranks differ: equal
        # masks would leave the mean of two ranks' losses a loss of one sample's mask.
        self.text.write_text("a" * 5000)
        settings = {"model.dropout": 0.5, "train.steps": 1}
        one = self.losses(1, {**settings, "train.batch": 1})
        two = self.losses(2, {**settings, "train.batch": 2})
        self.assertNotEqual(two, one)

    def test_initial_weights_are_the_same_bits_at_every_size(self):
        weights = [(self.train(ranks, {"train.steps": 0}, str(ranks)) /
                    "model.safetensors").read_bytes() for ranks in (1, 2, 3)]
        self.assertEqual(weights[1], weights[0])
        self.assertEqual(weights[2], weights[0])

    def test_another_seed_gives_other_weights(self):
        one, two = ((self.train(1, {"train.steps": 0, "train.seed": seed}, str(seed)) /
                     "model.safetensors").read_bytes() for seed in (1, 2))
        self.assertNotEqual(one, two)


class MuonTest(ProgramCase):
    def test_local_shard_on_2_ranks_is_near_1_rank_and_not_the_same(self):
        one, two = (self.losses(ranks, {**STEPS, **MUON}) for ranks in (1, 2))
        self.assertTrue(all(math.isfinite(loss) for loss in two))
        self.assert_near(two, one, LOCAL_SHARD_TOLERANCE)
        self.assertNotEqual(two[5:], one[5:])


@needs_torch
class TorchrunTest(ProgramCase):
    def losses_under_torchrun(self, ranks, settings):
        output = self.folder / f"torchrun-{ranks}"
        entry = self.arguments({**STEPS, **settings, "output.path": output})
        ended = run_torchrun(ranks, [PROGRAM, *entry])
        self.assertEqual(ended.code, 0, ended.err)
        self.assertIn("(launcher: torchrun)", ended.out)
        return read_losses(output)

    def test_4_ranks_agree_with_1_rank_without_a_launcher(self):
        self.assert_near(self.losses_under_torchrun(4, {}), self.losses(1, STEPS),
                         ORDER_TOLERANCE)

    def test_muon_on_1_rank_has_the_bits_of_a_run_without_a_launcher(self):
        self.assertEqual(self.losses_under_torchrun(1, MUON),
                         self.losses(1, {**STEPS, **MUON}))


if __name__ == "__main__":
    unittest.main()
