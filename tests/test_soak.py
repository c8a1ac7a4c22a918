"""A few of the cycles of `make soak`."""

import subprocess
import sys

import pytest

from tests.experiments.scripts import ROOT


@pytest.mark.slow
def test_nothing_is_lost_by_kills(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--cycles=5", f"--folder={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.splitlines()
    assert [line.split()[:3] for line in told] == [
        ["train:", "5", "kills"],
        ["study:", "5", "kills"],
    ]
