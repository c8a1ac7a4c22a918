"""A study of many small settings, and what kills its workers."""

import contextlib
import json
import os
import pathlib
import random
import signal
import threading
import time

from rnnshare import ElmanCell, Tied
from rnnshare.tasks import Adding
from rnnshare.training import Recipe, Replicate, Setting

RECIPE = Recipe(num_steps=60, validate_every=2, batch_size=4, patience=None)


def adding(split):
    del split
    return Adding(5, num_held_out=16)


# Eight programs, eight rates each.
GRID = [
    Setting(adding, ElmanCell, Tied(), size, rate * 1e-3, RECIPE)
    for size in range(1, 9)
    for rate in range(1, 9)
]
REPLICATES = [Replicate(0)]


class Killer:
    """Ends workers by SIGKILL, each a random time after it has begun.

    Attributes:
      killed: the folders of those that it has ended.
    """

    def __init__(self, folder: pathlib.Path, most: int, seed: int):
        """Watches the folder of the workers' folders."""
        self.folder, self.most, self.killed = folder, most, []
        self._random = random.Random(seed)
        self._ends = threading.Event()
        self._due: dict[int, float] = {}
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._thread.join()

    def _watch(self):
        while not self._ends.wait(0.02) and len(self.killed) < self.most:
            for lock in self.folder.glob("*/.lock"):
                with contextlib.suppress(OSError, ValueError, KeyError):
                    pid = json.loads(lock.read_text())["pid"]
                    if pid == os.getpid():  # who merges
                        continue
                    delay = self._random.uniform(0.0, 4.0)
                    due = self._due.setdefault(pid, time.monotonic() + delay)
                    if time.monotonic() >= due and pid not in self.killed:
                        os.kill(pid, signal.SIGKILL)
                        self.killed.append(pid)
