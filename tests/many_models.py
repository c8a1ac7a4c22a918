"""Trains many different models in one process: its memory does not grow with them.

    python -m tests.many_models --models=300 --compare=50

A line for each way of keeping memory: the resident memory and the memory maps after
the model that is compared with, and after the last; exit code 1 if either has grown to
more than 1.3 times as much.
"""

import argparse
import os
import pathlib
import subprocess
import sys

MOST = 1.3


def held():
    """Returns the resident memory of this process in MB, and its memory maps."""
    status = pathlib.Path("/proc/self/status").read_text()
    kilobytes = int(status.partition("VmRSS:")[2].split()[0])
    return kilobytes // 1024, pathlib.Path("/proc/self/maps").read_text().count("\n")


def train(how, models, compare):
    """Trains models that differ in their width, and prints what is held."""
    from rnnshare import ElmanCell, Tied
    from rnnshare.tasks import Adding
    from rnnshare.training import (
        Recipe,
        Setting,
        fit,
        keep_memory,
        release_memory,
    )

    if how == "keep":
        keep_memory()
    task, recipe = Adding(4, num_held_out=8), Recipe(2, 2, 2)
    for count in range(1, models + 1):
        made = Setting(lambda split: task, ElmanCell, Tied(), count, 1e-2, recipe)
        fit(made.make_model(), recipe, [(task, 0, 1e-2)])
        release_memory()
        if count in (compare, models):
            print(*held(), flush=True)


def measure(how, models, compare):
    """Returns what a process of its own held after some models, and after all."""
    flags = os.environ.get("XLA_FLAGS", "")
    done = subprocess.run(
        [sys.executable, "-m", "tests.many_models", f"--how={how}",
         f"--models={models}", f"--compare={compare}"],
        stdout=subprocess.PIPE, text=True, check=True,
        env=os.environ | {"XLA_FLAGS": f"{flags} --xla_backend_optimization_level=0"},
    )  # fmt: skip
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--compare", type=int, default=50)
    parser.add_argument("--how", choices=("keep", "leave"))
    options = parser.parse_args()
    if options.how:
        train(options.how, options.models, options.compare)
        return
    grown = False
    for how in ("keep", "leave"):
        before, after = measure(how, options.models, options.compare)
        for name, one, other in zip(("MB", "maps"), before, after, strict=True):
            print(f"{how}: {one} {name} after {options.compare} models, {other} after "
                  f"{options.models}", flush=True)  # fmt: skip
            grown |= other > MOST * one
    sys.exit(grown)


if __name__ == "__main__":
    main()
