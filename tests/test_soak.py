"""A few of the cycles of `make soak`, and some of its corruptions."""

import subprocess
import sys

import pytest

from tests.cases import with_slow
from tests.experiments.scripts import ROOT
from tests.soak import corruptions


@pytest.mark.parametrize("what", with_slow(["train", "study"], {"train"}))
def test_nothing_is_lost_by_kills(what, tmp_path):
    flags = ("--mode=kills", f"--only={what}", "--cycles=1", f"--folder={tmp_path}")
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.splitlines()
    assert [line.split()[:3] for line in told] == [[f"{what}:", "1", "kills"]]


def test_no_damaged_file_is_loaded_silently(tmp_path):
    told = corruptions.run(tmp_path, 80)
    assert told.startswith("80 corruptions of 10 kinds of files: ")
    assert " named, " in told and " refused by name, 0 silent" in told
