"""Kills a training and a study again and again: nothing is lost, to the last bit.

    python -m tests.soak --cycles=200

Each cycle ends a process by SIGKILL, at a random moment or at a random call inside a
save, an append, a rename or a removal; of what was being written a part is cut off, as
a crash may. The same command then goes on, until it comes to its end. Rows,
parameters, the optimiser's state and metrics are compared with an uninterrupted run's.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import pathlib
import random
import runpy
import signal
import sys
import tempfile
import time

import numpy as np

POINTS = ("fsync", "replace", "rename", "unlink", "rmdir")
TRAIN = (
    "--task=adding", "--task_steps=6", "--num_steps=24", "--validate_every=2",
    "--hidden_features=4", "--batch_size=4", "--num_seeds=3", "--patience=2",
    "--learning_rate=0.1", "--checkpoint_every=0",
)  # fmt: skip
KILLS_A_RUN = 8  # at most; then it may come to its end


def train(folder):
    """One training, by the script."""
    sys.argv = ["train", *TRAIN, f"--workdir={folder}"]
    runpy.run_module("experiments.train", run_name="__main__", alter_sys=True)


def study(folder):
    """A study of two settings on three replicates."""
    from rnnshare import GRUCell, Tied, Untied
    from rnnshare import training as t
    from rnnshare.tasks import drift

    make_task = t.Call(drift, num_steps=6, num_lags=2, num_examples=32)
    recipe = t.Recipe(num_steps=8, batch_size=4, validate_every=2)
    settings = [
        t.Setting(make_task, GRUCell, sharing, 4, 1e-2, recipe)
        for sharing in (Tied(), Untied(6))
    ]
    replicates = [t.Replicate(i) for i in range(3)]
    with t.FolderLock(folder):
        t.run(settings, replicates, t.JsonLines(folder / "trained.jsonl"))


WORK = {"train": train, "study": study}


def work(what, folder, log, plan):
    """Does the work in a process of its own, which is ended as the plan says."""
    with pathlib.Path(log).open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    arm(plan, pathlib.Path(log).with_suffix(".calls"))
    WORK[what](pathlib.Path(folder))


def arm(plan, record):
    """Ends the process at the call that the plan says; without one, counts the calls.

    Args:
      plan: None, or the number of the call, whether to do it first, and which fraction
        of what was written last is lost.
      record: file of the count.
    """
    count = itertools.count(1)

    def armed(name, original):
        def call(*args, **options):
            number = next(count)
            if plan is None:
                record.write_text(str(number))
            elif number == plan[0]:
                if plan[1]:
                    original(*args, **options)
                elif name == "fsync":
                    cut(args[0], plan[2])
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **options)

        return call

    for name in POINTS:
        setattr(os, name, armed(name, getattr(os, name)))


def cut(descriptor, fraction):
    """Cuts off a part of a file, or of the last line where lines are appended."""
    path = pathlib.Path(f"/proc/self/fd/{descriptor}").resolve()
    if not path.is_file():
        return
    content = path.read_bytes()
    first = content.rstrip(b"\n").rfind(b"\n") + 1 if path.suffix == ".jsonl" else 0
    os.truncate(path, first + int(fraction * (len(content) - first)))


def kept(folder):
    """Returns what must be the same: files by their paths, arrays by their bytes."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    newest = max(map(str, folder.glob("checkpoints/step_*")), default="")
    found = {}
    for path in files:
        name = path.relative_to(folder).as_posix()
        if name.startswith("checkpoints/") and not str(path).startswith(newest):
            continue
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                found[name] = {n: arrays[n].tobytes() for n in arrays}
        elif path.name not in ("SHA256SUMS", ".lock"):  # which holds that of the .npz
            found[name] = path.read_bytes()
    return {name: c for name, c in found.items() if not name.endswith(".partial")}


class Soak:
    """The cycles of one kind of work."""

    def __init__(self, what, folder, seed):
        """Does the work once, uninterrupted."""
        self.what, self.folder = what, folder
        self.random = random.Random(f"{what} {seed}")
        self.log = folder / f"{what}.log"
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["experiments.lab.run_folder"])
        self.start(folder / what, None).join()
        began = time.monotonic()
        self.start(folder / f"{what}_again", None).join()  # compiled by now
        self.seconds = time.monotonic() - began
        self.calls = int(self.log.with_suffix(".calls").read_text())
        self.expected = kept(folder / what)
        assert self.expected == kept(folder / f"{what}_again")
        assert self.expected, self.log.read_text()

    def start(self, folder, plan):
        """Starts the work, as the command would again."""
        arguments = (self.what, str(folder), str(self.log), plan)
        process = self.context.Process(target=work, args=arguments)
        process.start()
        return process

    def run(self, cycles):
        """Runs so many cycles, and the work to its end after each few of them."""
        done, places = 0, dict.fromkeys(("moment", "call"), 0)
        for number in itertools.count():
            folder = self.folder / f"{self.what}_{number}"
            for kill in itertools.count():
                how = self.random.choice(("moment", "call"))
                if kill == KILLS_A_RUN or done == cycles:
                    how = None
                plan = None
                if how == "call":
                    call = self.random.randint(1, self.calls)
                    plan = call, self.random.random() < 0.3, self.random.random()
                process = self.start(folder, plan)
                if how == "moment":
                    process.join(self.random.uniform(0.0, self.seconds))
                    process.kill()
                process.join()
                if process.exitcode == 0:
                    break
                if process.exitcode != -signal.SIGKILL:
                    raise SystemExit(f"{self.what} failed:\n{self.log.read_text()}")
                done, places[how] = done + 1, places[how] + 1
            self.compare(kept(folder), folder)
            if done == cycles:
                break
        print(f"{self.what}: {done} kills of {number + 1} runs, {json.dumps(places)}: "
              "all ended with the same bits", flush=True)  # fmt: skip

    def compare(self, found, folder):
        """Ends the program where something differs."""
        names = {*found, *self.expected}
        wrong = [n for n in names if found.get(n) != self.expected.get(n)]
        if wrong:
            raise SystemExit(f"{folder}: {', '.join(wrong)} differ\n{self.log}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=200, help="kills of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="a new one by default")
    parser.add_argument("--only", choices=tuple(WORK), action="append")
    options = parser.parse_args()
    folder = pathlib.Path(options.folder or tempfile.mkdtemp(prefix="soak_"))
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    for what in options.only or WORK:
        Soak(what, folder, options.seed).run(options.cycles)


if __name__ == "__main__":
    main()
