"""What the studies of all scripts have in common: the launch, and what they tell.

The flags say how a study is laid over the devices; its rows are the same.
"""

import dataclasses
import os
import sys
import time
from typing import Any

import jax
import numpy as np

from experiments.lab import finding as report
from experiments.lab import flags as common
from rnnshare.training import rows as runs
from rnnshare.training import study
from rnnshare.training.study import Replicate


def run(settings, replicates, rows):
    """Trains settings on replicates as `study.run` does; returns the rows."""
    return study.run(settings, replicates, rows, **_options())


def tune(candidates, replicates, rows):
    """Returns the best candidate by validation loss, as `study.tune` does."""
    return study.tune(candidates, replicates, rows, **_options())


def replicates(count, first=0):
    """Returns paired replicates: each seed has a split of its own."""
    return [Replicate(i, i) for i in range(first, first + count)]


def column(rows, name="test_loss", missing=np.inf):
    """Returns a metric over rows; `missing` where a run diverged."""
    return np.array([missing if row[name] is None else row[name] for row in rows])


def tell(setting, count, left):
    """Says on stderr what is being trained."""
    done = "" if left else " (kept from before)"
    cell = getattr(setting.cell, "__name__", setting.cell)
    name = f"{setting.make_task(0).name}, {cell}, {setting.sharing}"
    print(f"{name}: {left or count} runs{done}", file=sys.stderr, flush=True)


def layout():
    """Returns how replicas are compiled and laid over the devices, for `fit`, `run`.

    Most of a small study on a CPU is compiling, which is shorter without XLA's last
    passes; the programs of small models run no slower without them.
    """
    parsed = common.flags.FLAGS.is_parsed()  # a notebook or a test has no command line
    options: dict[str, Any] = {"per_device": common.PER_DEVICE.value if parsed else 1}
    level = "xla_backend_optimization_level"
    if jax.default_backend() == "cpu" and level not in os.environ.get("XLA_FLAGS", ""):
        options["compiler_options"] = {level: "1"}
    return options


def _options():
    return {"on_group": tell, **layout()}


def conclude(script, preset):
    """Runs a script's findings in its folder, prints them, and writes their report.

    Args:
      script: the module's name, `experiments.<name>`, or `__main__` of one.
      preset: its name.
    """
    module = sys.modules[script]
    doc = (module.__doc__ or "").splitlines()
    spec = module.__spec__
    assert spec is not None  # a script is run by python -m
    name = spec.name.removeprefix("experiments.")
    folder, began = common.workdir(name), time.perf_counter()
    found = [decided(finding, preset) for finding in module.findings(preset, folder)]
    for finding in found:
        for row in finding.table:
            print("\t".join(row))
        print(f"{finding.id}: {finding.verdict}. {finding.meaning}")
    command = f"python -m experiments.{name} --preset={preset}"
    page = report.write(
        found,
        [],
        folder,
        question=doc[0],
        lead="; ".join(f"{finding.id}: {finding.verdict}" for finding in found) + ".",
        environment=environment(command, time.perf_counter() - began),
    )
    print(f"The report is {page}")


def environment(command, seconds):
    """Returns what a report says of its making."""
    return {
        "command": command,
        "minutes": f"{seconds / 60:.1f}",
        **runs.environment(),
    }


def decided(finding, preset):
    """Returns the finding; an inconclusive one names the command that decides it."""
    full = finding.command.replace(f"--preset={preset}", "--preset=full")
    if finding.verdict != "inconclusive" or full == finding.command:
        return finding
    meaning = f"{finding.meaning} Inconclusive at this budget; to decide it: {full}"
    return dataclasses.replace(finding, meaning=meaning)
