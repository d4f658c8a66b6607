"""The training program's data, for programs that follow it: text, split and samples.

    gpt_data.py PATH shuffled|sequential --context N --validation-fraction F --seed N SAMPLE...

prints where each training sample begins. Needs nothing but Python.
"""

import argparse
import math
import os
import pathlib

MASK = (1 << 64) - 1


def read_text(path):
    """The bytes of a file, or of a folder's files that are not hidden, sorted by path."""
    path = pathlib.Path(path)
    if path.is_file():
        return path.read_bytes()
    files = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [pathlib.Path(folder, name) for name in names
                  if not name.startswith(".")]
    files = [file for file in files if file.is_file()]
    files.sort(key=lambda file: [os.fsencode(part) for part in file.parts])
    return b"".join(file.read_bytes() for file in files)


def split(text, validation_fraction):
    """Training and validation part; validation is the last part of the text."""
    validation_bytes = math.floor(len(text) * validation_fraction)
    training_bytes = len(text) - validation_bytes
    return text[:training_bytes], text[training_bytes:]


def mix(seed, index):
    """Output number `index` of splitmix64 from state `seed`."""
    z = (seed + (index + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Samples:
    """Samples of `context` + 1 bytes, each a function of the seed and its number."""

    def __init__(self, text, context, order, seed):
        self.text, self.context, self.order, self.seed = text, context, order, seed

    def start(self, sample):
        if self.order == "sequential":
            return sample % ((len(self.text) - 1) // self.context) * self.context
        return mix(self.seed, sample) * (len(self.text) - self.context) >> 64

    def batch(self, first_sample, count):
        """A list of `count` byte strings of length context + 1."""
        starts = [self.start(first_sample + i) for i in range(count)]
        return [self.text[start:start + self.context + 1] for start in starts]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    parser.add_argument("order", choices=["shuffled", "sequential"])
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--validation-fraction", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("samples", type=int, nargs="+")
    args = parser.parse_args()
    training, _ = split(read_text(args.path), args.validation_fraction)
    samples = Samples(training, args.context, args.order, args.seed)
    for sample in args.samples:
        print(samples.start(sample))


if __name__ == "__main__":
    main()
