"""Small files are the old or the new one, whole, and an error names them."""

import errno
import os
import resource

import pytest

from rnnshare.training import files


def test_a_file_is_written_whole(tmp_path):
    path = tmp_path / "made" / "a.json"
    files.write_atomically(path, "ä\n")
    assert path.read_bytes() == "ä\n".encode()
    files.write_atomically(path, b"\0\1")
    assert path.read_bytes() == b"\0\1"
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_error_keeps_what_stood_there_and_names_the_file(
    call, tmp_path, monkeypatch
):
    path = tmp_path / "a.json"
    files.write_atomically(path, "old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/a.json'"):
        files.write_atomically(path, "new")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.json": "old"}


def test_a_link_stays_a_link(tmp_path):
    link, there = tmp_path / "link", tmp_path / "other" / "file"
    link.symlink_to(there)
    files.write_atomically(link, "one")  # to what there is not yet
    files.write_atomically(link, "two")
    assert link.is_symlink() and there.read_text() == "two"
    assert sorted(tmp_path.rglob("*")) == [link, there.parent, there]


def test_of_what_is_appended_all_is_kept_or_nothing(tmp_path):
    path = tmp_path / "made" / "rows.jsonl"
    files.append_whole(path, b"0123456789\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15, hard))
    try:  # four bytes fit, then none; closing must not write the rest
        with pytest.raises(OSError, match=r"File too large: '.*made/rows.jsonl'"):
            files.append_whole(path, b"abcdef\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"0123456789\n"
    files.append_whole(path, b"abcdef\n")
    assert path.read_bytes() == b"0123456789\nabcdef\n"


def test_a_folder_in_the_way_is_named(tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(OSError, match=r"taken/a.json"):
        files.write_atomically(tmp_path / "taken" / "a.json", "new")
