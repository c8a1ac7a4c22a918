"""One writer a folder: others are refused by name, the dead hold nothing."""

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from rnnshare.training.locks import FolderLock

HOLD = """
import os, sys, time
from rnnshare.training.locks import FolderLock
lock = FolderLock(sys.argv[1]).take()
if sys.argv[2] == "fork" and os.fork():
    os._exit(0)
print(os.getpid(), flush=True)
time.sleep(600)
"""


def hold(folder, how="stay"):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), how], stdout=subprocess.PIPE
    )
    return process, int(process.stdout.readline())  # once it is held


def test_another_process_is_refused_and_a_dead_one_holds_nothing(tmp_path):
    process, _ = hold(tmp_path)
    try:
        text = (
            f"{tmp_path} is being written by process {process.pid} on "
            f"{socket.gethostname()}. Wait for it or end it, or name another folder."
        )
        with pytest.raises(ValueError) as error, FolderLock(tmp_path):
            pass
        assert str(error.value) == text
    finally:
        process.kill()
        process.communicate()
    assert (tmp_path / ".lock").exists()
    with FolderLock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_child_of_an_ended_process_holds_it_still(tmp_path):
    process, child = hold(tmp_path, "fork")
    process.wait()
    try:
        with (
            pytest.raises(
                ValueError, match=f"a child of the ended process {process.pid}"
            ),
            FolderLock(tmp_path),
        ):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        process.stdout.close()


def test_the_same_process_is_refused_too(tmp_path):
    with FolderLock(tmp_path), pytest.raises(ValueError, match=r"by this process \("):
        FolderLock(tmp_path).take()
    with FolderLock(tmp_path):
        pass


def test_a_pid_that_was_given_anew_is_not_the_holder(tmp_path):
    with FolderLock(tmp_path):
        path = tmp_path / ".lock"
        path.write_text(path.read_text().replace('"started": ', '"started": 1'))
        with pytest.raises(ValueError, match="a child of the ended process"):
            FolderLock(tmp_path).take()
        path.write_text("")
        with pytest.raises(ValueError, match="written by another process"):
            FolderLock(tmp_path).take()


def test_a_race_has_one_winner_at_a_time(tmp_path):
    holders, seen, taken = [], [], []

    def race():
        for _ in range(20):
            try:
                with FolderLock(tmp_path):
                    holders.append(1)
                    seen.append(len(holders))
                    taken.append(1)
                    holders.pop()
            except ValueError:
                pass

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken
    assert set(seen) == {1}


def test_a_file_is_kept_apart_from_its_folder(tmp_path):
    with FolderLock(tmp_path), FolderLock(tmp_path, "rows.jsonl"):
        text = r"rows\.jsonl is being written by this process .* another file\."
        with pytest.raises(ValueError, match=text):
            FolderLock(tmp_path, "rows.jsonl").take()
        with FolderLock(tmp_path, "other.jsonl"):
            pass
    assert list(tmp_path.iterdir()) == []
