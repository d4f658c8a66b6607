"""Prints the scalars of a TensorBoard folder, as TensorBoard itself reads them.

    read_events.py FOLDER

One line each, sorted: tag, step, value.
"""

import pathlib
import struct
import sys

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader


def value_of(value):
    if value.HasField("tensor"):  # The loader turns simple values into tensors.
        tensor = value.tensor
        return tensor.float_val[0] if tensor.float_val else struct.unpack(
            "<f", tensor.tensor_content)[0]
    return value.simple_value


def main():
    lines = []
    for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                lines.append((value.tag, event.step, value_of(value)))
    for tag, step, value in sorted(lines):
        print(tag, step, value)


if __name__ == "__main__":
    main()
