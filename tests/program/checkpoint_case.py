"""What tests of checkpoints share: a root, jobs that save into it, what they leave."""

import json
import re
import shutil

from case import read_losses, read_metrics
from failure_case import FailureCase
from program import run_ranks

STEPS = 20  # Of a whole run.
HALF = 10  # Steps after which it is interrupted.
SAVED = re.compile(r"^saved step (\d+): ", re.MULTILINE)


class CheckpointCase(FailureCase):
    """`root` is where jobs save; `saving` are the settings of one that does."""

    def setUp(self):
        super().setUp()
        self.root = self.folder / "checkpoints"
        self.saving = {"train.steps": STEPS, "checkpoint.path": self.root}

    def start(self, settings, ranks=1, name="run", before=()):
        """How each rank of a job ended that writes the folder `name`."""
        entry = [*map(str, before),
                 *self.arguments({"output.path": self.folder / name, **settings})]
        return run_ranks([entry] * ranks)

    def says(self, settings, ranks=1, name="run", before=(), warnings=()):
        """What rank 0 of a job has said that must succeed, each of `warnings` once."""
        ended = self.start(settings, ranks, name, before)
        self.assertEqual({one.code for one in ended}, {0}, ended)
        lines = ended[0].err.splitlines()
        self.assertEqual(len(lines), len(warnings), ended[0].err)
        for line, warning in zip(lines, warnings):
            self.assertTrue(line.startswith("shardopt-train: warning: "), line)
            self.assertIn(warning, line)
        return ended[0].out

    def fails(self, settings, *words, ranks=1, name="run", before=()):
        """Every rank of a job ends in time, with one line that has all `words`."""
        ended = self.start(settings, ranks, name, before)
        self.assert_all_failed(ended, [words] * ranks)
        return ended[0].out

    def interrupted(self, settings, ranks=1, name="run"):
        """A job that ends after half of its steps, saved."""
        return self.says({**self.saving, "train.stop_after": HALF, **settings}, ranks,
                         name)

    def assert_same_run(self, name, expected):
        """Loss by loss and weight by weight, bit for bit, in every one of the steps."""
        run, whole = self.folder / name, self.folder / expected
        self.assertEqual([row["step"] for row in read_metrics(run)],
                         [row["step"] for row in read_metrics(whole)])
        for column in ("loss", "tokens", "lr", "grad_norm", "val_loss"):
            self.assertEqual([row[column] for row in read_metrics(run)],
                             [row[column] for row in read_metrics(whole)], column)
        self.assertEqual((run / "model.safetensors").read_bytes(),
                         (whole / "model.safetensors").read_bytes())

    def losses_of(self, name):
        return read_losses(self.folder / name)

    def steps(self):
        """Those in the root, in order."""
        return steps_in(self.root)

    def step_folder(self, step):
        return self.root / f"step_{step:012}"

    def data_files(self, step):
        return sorted(self.step_folder(step).glob("a-*/*.safetensors"))

    def flip_bit(self, step, tensor="tok_embedding.weight"):
        """In the middle of the rows that rank 0 has written; returns the file."""
        path = self.data_files(step)[0]
        data = bytearray(path.read_bytes())
        header_bytes = int.from_bytes(data[:8], "little")
        begin, end = json.loads(data[8:8 + header_bytes])[tensor]["data_offsets"]
        data[8 + header_bytes + (begin + end) // 2] ^= 0x10
        path.write_bytes(data)
        return path

    def copy_root(self, name):
        copy = self.folder / name
        shutil.copytree(self.root, copy)
        return copy

    def block_step(self, step, root=None):
        """Makes the save of this one step fail: a file lies where its folder goes."""
        root = root or self.root
        root.mkdir(exist_ok=True)
        (root / f"step_{step:012}").write_text("in the way\n")


def steps_in(root):
    return sorted(int(path.name.removeprefix("step_")) for path in root.glob("step_*")
                  if (path / "MANIFEST").is_file())


def saved_steps(out):
    """In the order in which a job has said that they are saved."""
    return [int(step) for step in SAVED.findall(out)]
