"""Files of time series, and of data that is not what was tested: one line says it."""

import importlib.metadata

import numpy as np
import pytest

from rnnshare.tasks.data import (
    arrays,
    checksums,
    number_words,
    pedestrians,
    texts,
)
from rnnshare.tasks.data.ts_files import read_ts

HEADER = "@problemName toy\n@classLabel true a b\n@data\n"


@pytest.fixture
def read(tmp_path):
    """Writes a .ts file and reads it."""

    def write_and_read(content):
        path = tmp_path / "toy.ts"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_ts(path)

    return write_and_read


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + "1,2:3,4:a\n1,2:b", "line 5: holds 1 channels, but the first .* 2"),
        (HEADER + "1:a\n1:2:b", "line 5: holds 2 channels, but the first .* data 1"),
        ("@classLabel true a b a\n@data\n1:a", "line 1: @classLabel names a more than"),
        ("#\n@data\n1,2:a", "line 2: no @classLabel came before @data. Add '@class"),
        ("@classLabel false\n@data\n1:0", "line 1: @classLabel is false, so no class"),
        ("@classLabel true\n@data\n1:0", "line 1: @classLabel is true, so no class"),
        ("@classLabel\n@data\n1:0", "line 1: @classLabel is empty, so no class has"),
        (HEADER + "1,2:a\n1,?:b", "line 5: value 1 of channel 0 is missing, which"),
        (HEADER + "1,2:3,:b", "line 4: value 1 of channel 1 is missing"),
        (HEADER.encode() + b"1:caf\xe9", "line 4: byte 0xe9 at 5 is not UTF-8. Write"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_named(read, content, message):
    with pytest.raises(ValueError, match=rf"toy\.ts, {message}"):
        read(content)


def test_names_may_be_of_any_script_and_comments_of_any_bytes(read):
    text = "@classLabel true é β\n@data\n".encode() + "1,2:β\n".encode()
    sequences, labels, classes = read(b"# caf\xe9\n" + text)
    np.testing.assert_array_equal(sequences[0], [[1], [2]])
    assert labels.tolist() == [1] and len(classes) == 2


READERS = {
    "japanese_vowels": arrays.japanese_vowels,
    "italy_power_demand": arrays.italy_power_demand,
    "mnist_rows": arrays.mnist_rows,
    "digits": arrays.digits,
    "ArrowHead": lambda: arrays.outlines.__wrapped__("ArrowHead"),
    "pedestrians": pedestrians.pedestrians,
    "surnames": texts.surnames,
    "folk_tunes": texts.folk_tunes,
    "number_words_de": lambda: number_words.number_words.__wrapped__("de"),
}


@pytest.mark.parametrize("name", READERS)
def test_other_data_than_was_tested_is_refused_as_it_is_read(name, monkeypatch):
    tested = next(t for t, names in checksums.TESTED.items() if name in names)
    monkeypatch.setitem(checksums.TESTED[tested], name, "0" * 64)
    package, _, version = tested.partition("==")
    here = importlib.metadata.version(package)
    read = READERS[name]
    message = (
        rf"{name}: the SHA-256 of .* of {package} {here} is [0-9a-f]{{64}}, but "
        rf"rnnshare was tested with 0{{64}}, that of {package}=={version}\. Install it"
    )
    with pytest.raises(ValueError, match=message):
        getattr(read, "__wrapped__", read)()


def test_the_versions_that_were_tested_are_those_of_the_constraints():
    lines = (arrays.pathlib.Path(__file__).parents[3] / "constraints.txt").read_text()
    assert {tested.lower() for tested in checksums.TESTED} <= set(
        lines.lower().splitlines()
    )
