"""How the tests run a script, and read what it says."""

import json
import pathlib
import subprocess
import sys

from experiments import answer
from experiments.lab import script

ROOT = pathlib.Path(__file__).parents[2]


EXPERIMENTS = {name: script.load(name) for name in answer.EXPERIMENTS}


TINY = (
    "--task=adding", "--task_steps=6", "--num_steps=4", "--validate_every=2",
    "--hidden_features=4", "--batch_size=4",
)  # fmt: skip


def run(name, *flags, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", *flags],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=1_800,
        check=False,
    )


def strict_json(text):
    """Reads JSON, and refuses the NaN and Infinity that Python adds to it."""

    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def assert_refused(done, text):
    assert done.returncode == 2
    assert done.stdout == ""
    assert text in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
