#!/usr/bin/env python3
"""Runs a command as one rank; writes the CPU seconds that it took to FOLDER/RANK.

    torchrun --no-python ... python rank_cpu.py FOLDER COMMAND ...
"""

import os
import pathlib
import resource
import subprocess
import sys


def main():
    folder, *command = sys.argv[1:]
    code = subprocess.call(command)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    path = pathlib.Path(folder, os.environ.get("RANK", "0"))
    path.write_text(str(used.ru_utime + used.ru_stime), encoding="utf-8")
    sys.exit(code)


if __name__ == "__main__":
    main()
