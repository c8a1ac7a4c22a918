"""Commands side by side: their order, their exit codes, and their end."""

import os
import sys

import pytest

from experiments.lab import side_by_side

# Says that it began, waits for a file, and ends with a code.
WAITS = """
import pathlib, sys, time
print("began", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
sys.exit(int(sys.argv[2]))
"""


def command(path, code=0):
    return [sys.executable, "-c", WAITS, str(path), str(code)]


def test_as_many_as_jobs_run_at_once_and_codes_are_told(tmp_path):
    opens, told = tmp_path / "open", []

    def tell(name, line):
        told.append((name, line))
        if len(told) == 2:  # both wait for what neither makes
            opens.touch()

    commands = {
        name: command(opens, code) for name, code in zip("abc", (0, 3, 0), strict=True)
    }
    assert side_by_side.run(commands, 2, tell) == {"a": 0, "b": 3, "c": 0}
    assert sorted(told[:2]) == [("a", "began"), ("b", "began")]
    assert told[2:] == [("c", "began")]


def test_one_at_a_time_is_in_order():
    told = []
    words = {n: [sys.executable, "-c", f"print({n!r})"] for n in "abc"}
    side_by_side.run(words, 1, lambda name, line: told.append(name + line))
    assert told == ["aa", "bb", "cc"]


def test_what_ends_it_ends_them(tmp_path):
    pids = []
    says = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    commands = {name: [sys.executable, "-c", says] for name in "abc"}

    class EndedError(Exception):
        pass

    def tell(name, line):
        pids.append(int(line))
        if len(pids) == 2:
            raise EndedError  # in the thread of one; the other still runs

    with pytest.raises(EndedError):
        side_by_side.run(commands, 2, tell)
    assert len(pids) == 2  # the third was not begun
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
