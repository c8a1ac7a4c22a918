"""The cycles of one kind of work: it is ended, goes on, and is compared."""

import itertools
import json
import multiprocessing
import os
import pathlib
import random
import runpy
import signal
import sys
import time

import numpy as np

from tests.soak import faults
from tests.soak.damage import damage_one
from tests.soak.faults import Plan

FLAGS = (
    "--task=adding", "--task_steps=6", "--num_steps=24", "--validate_every=2",
    "--cell=elman", "--hidden_features=4", "--batch_size=4", "--num_seeds=3",
    "--patience=2", "--learning_rate=0.1", "--checkpoint_every=0",
)  # fmt: skip
SCRIPTS = {"train": "experiments.train", "study": "tests.soak.study"}
WAYS = {
    "kills": ("moment", "kill"),
    "signals": ("SIGINT", "SIGTERM"),
    "disk": ("full", "readonly", "limit"),
    "damage": ("damage",),
}
ENDS_A_RUN = 8  # at most; then it may come to its end
CODES = {"SIGINT": 130, "SIGTERM": 143, **dict.fromkeys(WAYS["disk"], 2)}
UNHARMED = Plan()


def work(what, folder, log, plan):
    """Does the work in a process of its own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the parent has
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with pathlib.Path(log).open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    faults.arm(plan, pathlib.Path(folder), pathlib.Path(log).with_suffix(".calls"))
    sys.argv = [what, *FLAGS, f"--workdir={folder}"]
    runpy.run_module(SCRIPTS[what], run_name="__main__", alter_sys=True)


def kept(folder, in_order=True):
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
            content = path.read_bytes()
            lines = in_order or path.suffix != ".jsonl"
            found[name] = content if lines else sorted(content.splitlines())
    ignored = (".partial",) if in_order else (".partial", ".damaged")
    return {
        name: content
        for name, content in found.items()
        if not name.endswith(ignored) and (in_order or "/damaged_" not in name)
    }


class Soak:
    """The cycles of one kind of work."""

    def __init__(self, what, folder, seed):
        """Does the work once, uninterrupted."""
        self.what, self.folder = what, folder
        self.random = random.Random(f"{what} {seed}")
        self.log = folder / f"{what}.log"
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["experiments.lab.run_folder"])
        began = time.monotonic()
        self.start(folder / what).join()
        self.seconds = time.monotonic() - began  # compiling too: too long
        self.expected = {o: kept(folder / what, o) for o in (True, False)}
        assert self.expected[True], self.log.read_text()
        self.calls = int(self.log.with_suffix(".calls").read_text())
        sizes = [p.stat().st_size for p in (folder / what).rglob("*") if p.is_file()]
        self.largest = max(sizes)
        self.slowest = 0.0  # end after a signal

    def start(self, folder, plan=UNHARMED, log=None):
        """Starts the work, as the command would again."""
        arguments = (self.what, str(folder), str(log or self.log), plan)
        process = self.context.Process(target=work, args=arguments)
        process.start()
        return process

    def run(self, mode, cycles):
        """Runs so many cycles, and the work to its end after each few of them."""
        places = dict.fromkeys(WAYS[mode], 0)
        for number in itertools.count(1):
            folder = self.folder / f"{self.what}_{mode}_{number}"
            for end in itertools.count():
                to_its_end = end == ENDS_A_RUN or sum(places.values()) == cycles
                how = None if to_its_end else self.random.choice(WAYS[mode])
                began = time.monotonic()
                if self.end_by(how, folder):
                    self.seconds = time.monotonic() - began
                    break
                places[how] += 1
            self.compare(folder, in_order=mode != "damage")
            if sum(places.values()) == cycles:
                break
        slowest = f", at most {self.slowest:.1f} s to an end" if self.slowest else ""
        print(
            f"{self.what}: {cycles} {mode} of {number} runs, {json.dumps(places)}: all "
            f"ended with the same bits{slowest}",
            flush=True,
        )

    def end_by(self, how, folder):
        """Starts the work and ends it so; returns whether it came to its end."""
        plan = UNHARMED
        if how in ("kill", "full", "readonly"):
            number, fraction = self.random.randint(1, self.calls), self.random.random()
            plan = Plan(how, number, self.random.random() < 0.3, fraction)
        elif how == "limit":
            plan = Plan(how, self.random.randint(1_024, self.largest))  # its log fits
        process = self.start(folder, plan)
        if how in ("moment", "damage"):
            process.join(self.random.uniform(0.0, self.seconds))
            process.kill()
        elif how in ("SIGINT", "SIGTERM"):
            self.send(process, signal.Signals[how])
        process.join()
        if process.exitcode == 0:
            return True
        if how == "damage":
            damage_one(folder, self.random)
        code, log = CODES.get(how, -signal.SIGKILL), self.log.read_text()
        told = log.splitlines() if how in CODES else []
        if how is None or process.exitcode != code or "Traceback" in log:
            self.fail(folder, f"{how} ended it by {process.exitcode}")
        if how in WAYS["signals"] and (
            not told[-1].startswith("interrupted: ") or log.count("interrupted: ") > 1
        ):
            self.fail(folder, f"{how} is not told in one line")
        if how in WAYS["disk"] and not (
            told[-1].startswith("error: [Errno ") and str(folder) in told[-1]
        ):
            self.fail(folder, f"{how} is not told in one line that names the file")
        return False

    def send(self, process, signum):
        """Sends a signal at a random moment after the script has begun to listen."""
        status = pathlib.Path(f"/proc/{process.pid}/status")
        while process.is_alive():
            caught = next(
                (x for x in status.read_text().splitlines() if x.startswith("SigCgt")),
                "SigCgt: 0",
            )
            if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
                break
            time.sleep(0.01)
        process.join(self.random.uniform(0.0, self.seconds))
        if process.is_alive():
            began = time.monotonic()
            os.kill(process.pid, signum)
            process.join()
            self.slowest = max(self.slowest, time.monotonic() - began)

    def race(self, mode, count):
        """Starts the work twice on one folder, so often."""
        del mode
        slowest = 0.0
        for number in range(count):
            folder = self.folder / f"{self.what}_race_{number}"
            logs = [self.log.with_suffix(f".{i}") for i in range(2)]
            began = time.monotonic()
            both = [self.start(folder, log=log) for log in logs]
            while all(process.is_alive() for process in both):
                time.sleep(0.01)
            slowest = max(slowest, time.monotonic() - began)
            for process in both:
                process.join()
            codes = [process.exitcode for process in both]
            if sorted(codes) != [0, 2]:
                self.fail(folder, f"a race ended by {codes}")
            # What runs, and why it does not.
            told = logs[codes.index(2)].read_text().splitlines()
            if len(told) != 2 or f"{folder} is being written by" not in told[-1]:
                self.fail(folder, f"the second start was told: {told}")
            self.compare(folder)
        print(
            f"{self.what}: {count} races: one ran, one was refused {slowest:.1f} s "
            "after its start at most",
            flush=True,
        )

    def compare(self, folder, in_order=True):
        """Ends the program where something differs."""
        found, expected = kept(folder, in_order), self.expected[in_order]
        names = {*found, *expected}
        wrong = sorted(n for n in names if found.get(n) != expected.get(n))
        if wrong:
            self.fail(folder, f"{', '.join(wrong)} differ")

    def fail(self, folder, what):
        """Ends the program."""
        raise SystemExit(f"{self.what}, {folder}: {what}\n{self.log.read_text()}")
