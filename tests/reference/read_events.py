"""Prints the scalars of a TensorBoard folder, as TensorBoard itself shows them.

    read_events.py FOLDER

One line each, sorted: tag, step, value. What a run has voided that went on from an
earlier step is not there.
"""

import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main():
    events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})  # All.
    events.Reload()
    for tag in sorted(events.Tags()["scalars"]):
        for event in sorted(events.Scalars(tag), key=lambda event: event.step):
            print(tag, event.step, event.value)


if __name__ == "__main__":
    main()
