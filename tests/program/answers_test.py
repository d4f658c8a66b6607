"""What the program says: its log, --help, --print-config, --list-optimizers."""

import os
import pty
import re
import subprocess
import tempfile
import unittest

from case import ProgramCase
from program import (PROGRAM, SMALL, SOURCE_DIR, arguments, clean_environment,
                     run_alone, run_ranks)

ESCAPE = "\x1b"


class LogTest(ProgramCase):
    def test_only_rank_0_speaks(self):
        first, *others = run_ranks([self.arguments()] * 3)
        self.assertIn("3 ranks", first.out)
        self.assertIn("step 3/3", first.out)
        self.assertEqual([(one.code, one.out, one.err) for one in others],
                         [(0, "", "")] * 2)

    def test_writes_no_file_where_output_path_is_empty(self):
        (self.folder / "here").mkdir()
        ended = run_ranks([self.arguments({"output.path": ""})] * 2,
                          folders=[self.folder / "here"] * 2)
        self.assertEqual([one.code for one in ended], [0, 0], ended)
        self.assertEqual(list((self.folder / "here").iterdir()), [])

    def test_is_plain_lines_where_it_is_no_terminal(self):
        ended = run_alone(self.arguments({"train.steps": 12, "output.log_every": 5}))
        self.assertNotIn(ESCAPE, ended.out)
        self.assertNotIn("\r", ended.out)
        steps = [line.split()[1] for line in ended.out.splitlines()
                 if line.startswith("step ")]
        self.assertEqual(steps, ["1/12", "5/12", "10/12", "12/12"])
        for word in ("loss", "val", "lr", "norm", "tokens/s"):
            self.assertIn(f" {word}", ended.out)

    def test_has_a_live_line_on_a_terminal(self):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
                [PROGRAM, *self.arguments()], stdin=subprocess.DEVNULL, stdout=theirs,
                env={**clean_environment(), "TERM": "xterm"}) as process:
            os.close(theirs)
            said = b""
            while more := read_terminal(ours):
                said += more
        os.close(ours)
        self.assertEqual(process.returncode, 0)
        self.assertIn(b"\r\x1b[K", said)
        self.assertIn(b"step 3/3", said)

    def test_names_blocks_of_options_that_are_unused_once(self):
        config = self.folder / "two.txtpb"
        config.write_text("optimizer { lion { beta1: 0.8 } adamw { beta1: 0.8 } }\n")
        ended = run_alone(["--config", str(config), *self.arguments()])
        self.assertEqual(ended.out.count("optimizer.lion is given"), 1, ended.out)
        self.assertNotIn("optimizer.adamw is given", ended.out)


def read_terminal(descriptor):
    """What it says next; nothing once its other end is closed (an error to Linux)."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""


class AnswerTest(unittest.TestCase):
    def answer(self, *command_line):
        ended = run_alone([str(part) for part in command_line])
        self.assertEqual((ended.code, ended.err), (0, ""))
        return ended.out

    def test_help_lists_options_and_every_field_of_the_configuration(self):
        text = self.answer("--help")
        for option in ("--config", "--set", "--print-config", "--list-optimizers"):
            self.assertIn(option, text)
        for field in (*SMALL, "data.path", "data.order", "optimizer.weight_decay",
                      "schedule.warmup_steps", "train.accumulation", "train.seed",
                      "train.clip_norm", "train.threads", "mesh.shard",
                      "mesh.replicate", "output.path", "output.overwrite",
                      "optimizer.muon.momentum", "optimizer.muon.adamw.lr",
                      "optimizer.muon.preset", "transform[i].name", "loss_scale.mode",
                      "average.momentum"):
            self.assertIn(f"\n{field} ", text)

    def test_print_config_loads_to_itself(self):
        for path in sorted((SOURCE_DIR / "tools" / "configs").glob("*.txtpb")):
            with self.subTest(path.name), tempfile.NamedTemporaryFile("w") as file:
                printed = self.answer("--config", path, "--set", "train.seed=7",
                                      "--print-config")
                self.assertIn("seed: 7", printed)
                file.write(printed)
                file.flush()
                self.assertEqual(self.answer("--config", file.name, "--print-config"),
                                 printed)

    def test_a_later_set_wins(self):
        self.assertIn("steps: 9\n", self.answer("--set", "train.steps=8", "--set",
                                                "train.steps=9", "--print-config"))

    def test_list_optimizers_prints_a_name_and_its_source_in_each_line(self):
        lines = self.answer("--list-optimizers").splitlines()
        self.assertEqual([line.split()[0] for line in lines],
                         ["adam", "adamw", "dual_scaled_adam", "lion", "muon", "nadam",
                          "nadamw", "schedule_free_adamw", "schedule_free_sgd", "sgd"])
        self.assertTrue(all(len(line.split()) > 1 for line in lines), lines)

    def test_readmes_table_has_what_the_programs_table_has(self):
        readme = (SOURCE_DIR / "README.md").read_text(encoding="utf-8")
        for line in self.answer("--list-optimizers").splitlines():
            name, source = line.split(maxsplit=1)
            page = self.answer("--help", f"optimizer.{name}")
            state, sharded = (re.search(f"^{word}.*?: (.*)$", page, re.MULTILINE)[1]
                              for word in ("State, bytes", "Approximate"))
            row = f"| `{name}` | {source} | {state} | {sharded} |"
            self.assertTrue(row in readme, row)

    def test_help_of_a_topic_is_about_it_alone(self):
        page = self.answer("--help", "optimizer.muon")
        for part in ("\noptimizer.muon.momentum ", "\noptimizer.muon.lion.lr ",
                     "\n  moonlight: ", "\npolar_express "):
            self.assertIn(part, page)
        self.assertNotIn("model.dim", page)
        self.assertEqual(self.answer("--help=optimizer.muon"), page)
        self.assertEqual(self.answer("-h", "optimizer.muon"), page)
        self.assertIn("0.98", self.answer("--help", "transform.grokfast_ema"))

    def test_help_of_an_unknown_topic_is_an_error_that_proposes_the_nearest(self):
        ended = run_alone(["--help", "optimizer.moun"])
        self.assertEqual((ended.code, ended.out), (1, ""))
        self.assertIn("did you mean 'optimizer.muon'?", ended.err)
        self.assertEqual(len(ended.err.splitlines()), 1, ended.err)

    def test_an_unknown_flag_is_an_error_that_names_it(self):
        ended = run_alone(["--conifg", "x"])
        self.assertNotEqual(ended.code, 0)
        self.assertIn("--conifg", ended.err)
        self.assertEqual(ended.out, "")

    def test_print_config_of_a_wrong_value_is_an_error(self):
        ended = run_alone([*arguments({"optimizer.lr": -1}), "--print-config"])
        self.assertNotEqual(ended.code, 0)
        self.assertEqual(ended.out, "")
        self.assertEqual(len(ended.err.splitlines()), 1, ended.err)


if __name__ == "__main__":
    unittest.main()
