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
    """Ends workers by SIGKILL: some after a random time, some in their n-th training.

    Attributes:
      killed: the processes that it has ended.
      with_rows: how many of them had kept rows.
    """

    def __init__(self, folder: pathlib.Path, most: int, seed: int):
        """Watches the folder of the workers' folders."""
        self.folder, self.most, self.killed, self.with_rows = folder, most, [], 0
        self._random = random.Random(seed)
        self._ends = threading.Event()
        self._due: dict[int, tuple[float, int]] = {}  # the time, and the rows
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._thread.join()

    def _watch(self):
        while not self._ends.wait(0.01) and len(self.killed) < self.most:
            for lock in self.folder.glob("*/.lock"):
                with contextlib.suppress(OSError, ValueError, KeyError):
                    self._look_at(lock)

    def _look_at(self, lock):
        pid, rows = json.loads(lock.read_text())["pid"], lock.parent / "rows.jsonl"
        if pid == os.getpid() or pid in self.killed:  # who merges; who has not ended
            return
        count = rows.read_bytes().count(b"\n") if rows.exists() else 0
        if pid not in self._due:
            by_time = self._random.random() < 0.4
            delay = self._random.uniform(0.0, 3.0) if by_time else 1e6
            more = self._random.randint(1, 5)
            self._due[pid] = time.monotonic() + delay, count + more
        due, enough = self._due[pid]
        if time.monotonic() >= due or count >= enough:
            os.kill(pid, signal.SIGKILL)
            self.killed.append(pid)
            self.with_rows += count > 0
