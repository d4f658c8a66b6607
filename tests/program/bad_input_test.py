"""Configurations, texts and folders with which nothing can be done."""

import os
import unittest

from failure_case import FailureCase
from program import run_alone, run_ranks

BELOW_LIMIT = ("allowed: up to 4194304",)  # bytes of a configuration file
# Takes from root what would let it read and write everything.
WITHOUT_PRIVILEGES = (("setpriv", "--bounding-set=-dac_override,-dac_read_search")
                      if os.geteuid() == 0 else ())


class BadConfigurationTest(FailureCase):
    def config(self, text):
        path = self.folder / "config.txtpb"
        path.write_text(text)
        return ("--config", path)

    def test_unknown_optimizer(self):
        self.assert_refused({"optimizer.name": "loin"}, "optimizer.name", "'loin'",
                            "dual_scaled_adam, lion, muon", "did you mean 'lion'")

    def test_unknown_schedule(self):
        self.assert_refused({"schedule.name": "cosin"}, "schedule.name", "'cosin'",
                            "did you mean 'cosine'")

    def test_unknown_field(self):
        self.assert_refused({"optimizer.lrr": 1}, "optimizer", "'lrr'",
                            "did you mean 'lr'")

    def test_unknown_field_in_a_file_is_named_with_its_line(self):
        self.assert_refused({}, "config.txtpb:2", "'layer'", "layers",
                            before=self.config("model {\n  layer: 2\n}\n"))

    def test_wrong_type(self):
        self.assert_refused({"train.steps": "many"}, "train.steps=many", "whole number")

    def test_lr_below_0(self):
        self.assert_refused({"optimizer.lr": -1}, "optimizer.lr", "-1", ">= 0")

    def test_betas_out_of_range(self):
        for field in ("adamw.beta1", "adamw.beta2", "lion.beta1", "muon.momentum",
                      "muon.adamw.beta2"):
            for value in ("1", "-0.1", "nan"):
                self.assert_refused({f"optimizer.{field}": value}, f"optimizer.{field}",
                                    f"is {value}", "[0, 1)", ranks=(1,))
        self.assert_refused({"optimizer.adamw.beta2": 1}, "optimizer.adamw.beta2",
                            "is 1;", "[0, 1)", ranks=(2,))

    def test_warm_up_longer_than_the_run(self):
        self.assert_refused({"schedule.warmup_steps": 4}, "schedule.warmup_steps is 4",
                            "train.steps, 3")

    def test_group_whose_pattern_does_not_compile(self):
        self.assert_refused({}, "optimizer.group[1].pattern", "'qkv('",
                            before=self.config('optimizer { group { pattern: "qkv" }'
                                               ' group { pattern: "qkv(" } }'))

    def test_group_whose_pattern_matches_nothing(self):
        self.assert_refused({}, "optimizer.group[0].pattern", "'nowhere'",
                            "matches no parameter",
                            before=self.config('optimizer{group{pattern: "nowhere"}}'))

    def test_exclusion_that_does_not_compile(self):
        self.assert_refused({"optimizer.name": "muon", "optimizer.muon.exclude": "["},
                            "optimizer.muon.exclude", "'['")

    def test_heads_that_do_not_divide_dim(self):
        self.assert_refused({"model.heads": 5}, "model.heads is 5", "model.dim, 32")

    def test_batch_that_does_not_divide_over_micro_steps(self):
        self.assert_refused({"train.accumulation": 5}, "train.batch is 12",
                            "train.accumulation 5")

    def test_batch_that_does_not_divide_over_ranks(self):
        self.assert_refused({"train.batch": 13}, "train.batch is 13", "ranks 2",
                            ranks=(2,))

    def test_more_shards_than_ranks(self):
        self.assert_refused({"mesh.shard": 3}, "mesh.shard is 3", "allowed: a product of")

    def test_replicas_that_do_not_fit_the_ranks(self):
        self.assert_refused({"mesh.replicate": 3}, "mesh.replicate is 3",
                            "allowed: a product of")

    def test_timeouts_that_are_none(self):
        for seconds in (0, -1):
            self.assert_refused({"mesh.timeout_seconds": seconds},
                                f"mesh.timeout_seconds is {seconds}", "allowed: [1,")

    def test_backend_that_cannot_serve_the_device(self):
        self.assert_refused({"mesh.backend": "nccl"}, "mesh.backend is 'nccl'",
                            "device cpu", "allowed: auto, gloo, mpi")

    def test_device_cuda_where_there_is_none(self):
        self.assert_refused({"train.device": "cuda"}, "cuda")

    def test_configuration_of_100_mb(self):
        line = "# " + "x" * 97 + "\n"
        self.assert_refused({}, "config.txtpb", "100000000 bytes", *BELOW_LIMIT,
                            before=self.config(line * 1_000_000))

    def test_configuration_that_is_not_there(self):
        self.assert_refused({}, "absent.txtpb", "No such file",
                            before=("--config", self.folder / "absent.txtpb"))

    def test_configuration_that_is_no_text(self):
        path = self.folder / "noise.txtpb"
        path.write_bytes(bytes(range(256)))
        self.assert_refused({}, "noise.txtpb:", before=("--config", path))


class BadTextTest(FailureCase):
    def assert_text_refused(self, path, *words):
        self.assert_refused({"data.path": path}, "data.path", *words)

    def test_missing(self):
        self.assert_text_refused(self.folder / "absent.txt", "absent.txt",
                                 "No such file")

    def test_not_named(self):
        self.assert_text_refused("", "empty")

    def test_empty_file(self):
        self.text.write_text("")
        self.assert_text_refused(self.text, "text.txt", "empty")

    def test_folder_without_files(self):
        (self.folder / "bare").mkdir()
        self.assert_text_refused(self.folder / "bare", "bare", "no file")

    def test_pipe_that_nobody_writes(self):
        os.mkfifo(self.folder / "pipe")
        self.assert_text_refused(self.folder / "pipe", "pipe", "neither a file nor a")

    def test_file_that_may_not_be_read(self):
        self.text.chmod(0)
        for ranks in (1, 2):
            ended = run_ranks([self.arguments()] * ranks, prefix=WITHOUT_PRIVILEGES)
            self.assert_all_failed(ended, [("text.txt", "Permission denied")] * ranks)

    def test_shorter_than_one_context(self):
        self.text.write_text("x" * 35)  # 32 bytes for training: 33 are a sample.
        self.assert_text_refused(self.text, "32 bytes", "model.context 32", "33")

    def test_validation_part_shorter_than_one_context(self):
        self.text.write_text("x" * 300)
        self.assert_text_refused(self.text, "validation", "30 bytes", "33")


class BadFolderTest(FailureCase):
    def assert_output_refused(self, path, *words):
        entry = self.arguments({"output.path": path})
        self.assert_failed(run_alone(entry, prefix=WITHOUT_PRIVILEGES),
                           ["output.path", *words])
        # Rank 0 alone writes, and knows why not.
        ended = run_ranks([entry] * 2, prefix=WITHOUT_PRIVILEGES)
        self.assert_all_failed(ended, [["output.path", *words], ["another rank"]])

    def test_below_a_file(self):
        self.assert_output_refused(self.text / "run", "text.txt/run", "Not a directory")

    def test_a_file(self):
        self.assert_output_refused(self.text, "text.txt", "not a folder")

    def test_may_not_be_written(self):
        (self.folder / "locked").mkdir(mode=0o555)
        self.assert_output_refused(self.folder / "locked", "locked", "not writable")

    def test_may_not_be_made(self):
        (self.folder / "locked").mkdir(mode=0o555)
        self.assert_output_refused(self.folder / "locked" / "run", "locked/run",
                                   "Permission denied")


if __name__ == "__main__":
    unittest.main()
