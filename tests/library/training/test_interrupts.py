"""A signal ends the process in one line, in order where it can, in time where not."""

import signal
import subprocess
import sys
import time

import pytest

from rnnshare.training import interrupts

START = """
import pathlib, sys, time, weakref
sys.path.insert(0, str(pathlib.Path(sys.argv[1]).parent))
import interrupts, signal
for signum in interrupts.SIGNALS:
    signal.signal(signum, signal.SIG_DFL)
def ready():
    print("ready", file=sys.stderr, flush=True)
"""
CASES = {
    # A loop that asks, and keeps what it has.
    "asked": """
with interrupts.handle_signals(lambda: "kept all"):
    with interrupts.deferred() as requested:
        ready()
        while not requested():
            time.sleep(0.01)
        print("saved")
    print("never")
""",
    # Anything else is interrupted where it is.
    "raised": """
with interrupts.handle_signals(lambda: "kept all"):
    try:
        ready()
        time.sleep(60)
    finally:
        print("saved")
""",
    # A loop that does not come to its end in time; what was printed is not lost.
    "late": """
with interrupts.handle_signals(lambda: "kept all", grace=0.2):
    with interrupts.deferred():
        print("saved")
        ready()
        while True:
            time.sleep(1)
""",
    # Python swallows what is raised in a callback of its own.
    "swallowed": """
class Node: pass
def slow(_):
    ready()
    time.sleep(0.5)
with interrupts.handle_signals(lambda: "kept all"):
    try:
        node = Node()
        kept = weakref.ref(node, slow)
        del node
        time.sleep(60)
    finally:
        print("saved")
""",
}


@pytest.mark.parametrize("signum", interrupts.SIGNALS)
@pytest.mark.parametrize("case", CASES)
def test_a_signal_ends_it_in_one_line(case, signum):
    process = subprocess.Popen(
        [sys.executable, "-c", START + CASES[case], interrupts.__file__],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signum)
    said, told = process.communicate(timeout=60)
    assert said == "saved\n"
    assert told == "kept all\n"
    assert process.returncode == 128 + signum


def test_a_second_signal_ends_it_at_once():
    code = CASES["late"].replace("grace=0.2", "grace=1e6")
    process = subprocess.Popen(
        [sys.executable, "-c", START + code, interrupts.__file__],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    time.sleep(1.2)
    process.send_signal(signal.SIGTERM)
    said, told = process.communicate(timeout=60)
    assert (said, told, process.returncode) == ("saved\n", "kept all\n", 143)


def test_a_signal_that_is_ignored_is_ignored_still():
    code = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
with interrupts.handle_signals(lambda: "kept all"):
    signal.raise_signal(signal.SIGINT)
    print("on")
"""
    done = subprocess.run(
        [sys.executable, "-c", START + code, interrupts.__file__],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("on\n", "")


def test_all_is_as_before_where_no_signal_came():
    before = [signal.getsignal(s) for s in interrupts.SIGNALS]
    hook = sys.unraisablehook
    with interrupts.handle_signals(lambda: ""), interrupts.deferred() as requested:
        assert requested() is None
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(s) for s in interrupts.SIGNALS] == before
    assert sys.unraisablehook is hook
