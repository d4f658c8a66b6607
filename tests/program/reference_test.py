"""Training against the same GPT in PyTorch: same weights, same batches, same losses."""

import json
import sys
import unittest

from case import ProgramCase, needs_torch
from program import SOURCE_DIR, Started, clean_environment, run_torchrun

STEPS = 20
REFERENCE = str(SOURCE_DIR / "tests" / "reference" / "gpt_reference.py")
# Two programs order fp32 sums (1.2e-7 per rounding) in their own ways, 20 steps long.
TOLERANCE = 1e-5
SETTINGS = {"optimizer.lr": 0.003, "optimizer.weight_decay": 0.1}


@needs_torch
class ReferenceTest(ProgramCase):
    def reference_losses(self, settings, ranks=1):
        """PyTorch's, from the initial weights that the program writes."""
        run = self.train(1, {**settings, "train.steps": 0}, f"initial-{ranks}")
        command = [REFERENCE, str(run), f"--steps={STEPS}"]
        if ranks > 1:
            ended = run_torchrun(ranks, [*command, "--fsdp2"])
        else:
            command = [sys.executable, *command]
            with Started([command], [clean_environment()]) as started:
                ended = started.wait()[0]
        self.assertEqual(ended.code, 0, ended.err)
        result = json.loads(ended.out)
        self.assertEqual((result["ranks"], result["fsdp2"]), (ranks, ranks > 1))
        return result["losses"]

    def assert_same(self, settings, ranks=1):
        settings = {**SETTINGS, **settings}
        ours = self.losses(ranks, {**settings, "train.steps": STEPS})
        self.assertLess(ours[-1], ours[0] - 0.3)
        self.assert_near(ours, self.reference_losses(settings, ranks), TOLERANCE)

    def test_agrees_with_pytorch(self):
        self.assert_same({})

    def test_agrees_with_pytorch_where_the_head_has_a_weight_of_its_own(self):
        self.assert_same({"model.tied": "false"})

    def test_agrees_with_pytorch_on_samples_in_sequence_and_without_clipping(self):
        self.assert_same({"data.order": "sequential", "train.clip_norm": 0})

    def test_agrees_with_pytorch_on_a_warm_up_and_a_cosine(self):
        # The reference's schedule ends after its own steps; so does ours.
        self.assert_same({"schedule.name": "cosine", "schedule.warmup_steps": 5,
                          "schedule.decay_steps": 15})

    def test_2_ranks_agree_with_fsdp2_on_2_ranks(self):
        self.assert_same({}, ranks=2)

    def test_2_ranks_agree_with_fsdp2_where_the_head_has_a_weight_of_its_own(self):
        self.assert_same({"model.tied": "false"}, ranks=2)


if __name__ == "__main__":
    unittest.main()
