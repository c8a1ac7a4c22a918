"""Lines that nobody reads any more end nothing."""

import os
import pathlib
import sys

import pytest

from rnnshare.training import progress
from rnnshare.training.streams import Lasting, tell


def broken_pipe():
    """A text stream whose reader has gone."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    return os.fdopen(write_end, "w")


def test_what_is_written_to_a_broken_pipe_is_lost():
    broken = broken_pipe()
    lasting = Lasting(broken)
    for _ in range(2):
        print("a line", file=lasting, flush=True)
    assert not lasting.isatty()
    broken.close()  # its buffers too have gone where nobody reads
    print("a line", file=lasting, flush=True)


def test_a_full_disk_behind_a_stream_ends_nothing():
    path = pathlib.Path("/dev/full")
    if not path.exists():
        pytest.skip("there is no /dev/full")
    with path.open("w") as full:
        print("a line", file=Lasting(full), flush=True)


def closed():
    stream = broken_pipe()
    stream.close()
    return stream


@pytest.mark.parametrize("make", [lambda: None, broken_pipe, closed])
def test_progress_outlasts_its_reader(make, monkeypatch):
    stderr = make()
    monkeypatch.setattr(sys, "stderr", stderr)
    tell("a line")
    with progress(3, "tied") as update:
        for step in range(3):
            update(step, "")
    if stderr is not None:
        stderr.close()
