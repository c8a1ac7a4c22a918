"""The reader of `.ts` files, the UEA archive's format of labelled time series."""

import pathlib
from typing import NoReturn

import numpy as np

_MISSING = {"", "?"}


def read_ts(path: pathlib.Path) -> tuple[list[np.ndarray], np.ndarray, tuple[str, ...]]:
    """Reads a `.ts` file of the UEA archive: ragged, multivariate, labelled, UTF-8.

    A line of data holds the channels parted by colons, the values of each parted by
    commas, and last the label. All lines hold as many channels; no value is missing.

    Returns:
      The sequences, each float32[T, D]; their labels int32[N], counted in the order of
      the header's `@classLabel`; and the names of the classes.

    Raises:
      ValueError: on a malformed line, with the file and the line's number.
    """
    sequences: list[np.ndarray] = []
    labels: list[int] = []
    classes: dict[str, int] = {}
    in_data = False
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if line.lstrip().startswith(b"#"):
            continue
        where = f"{path}, line {number}"
        text = _decoded(where, line).strip()
        if not text:
            continue
        if in_data:
            channels = sequences[0].shape[1] if sequences else None
            sequence, label = _read_line(where, text, classes, channels)
            sequences.append(sequence)
            labels.append(label)
            continue
        words = text.split()
        if words[0].lower() == "@classlabel":
            classes = _read_classes(where, words[1:])
        in_data = words[0].lower() == "@data"
        if in_data and not classes:
            _refuse(
                where,
                "no @classLabel came before @data. Add '@classLabel true' "
                "and the names of the classes",
            )
    if not sequences:
        raise ValueError(f"{path} holds no data. Is it a .ts file?")
    return sequences, np.array(labels, np.int32), tuple(classes)


def _decoded(where: str, line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = line[error.start]
        _refuse(
            where,
            f"byte {byte:#04x} at {error.start} is not UTF-8. Write the "
            "file as UTF-8: iconv -f latin1 -t utf-8",
        )


def _read_classes(where: str, words: list[str]) -> dict[str, int]:
    """Returns the place of each class, of `true` and their names."""
    names = words[1:]
    if not names or words[0].lower() != "true":
        _refuse(
            where,
            f"@classLabel is {' '.join(words) or 'empty'}, so no class has "
            "a name. Write 'true' and the names of the classes",
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        _refuse(where, f"@classLabel names {', '.join(twice)} more than once")
    return {name: i for i, name in enumerate(names)}


def _read_line(
    where: str, text: str, classes: dict[str, int], num_channels: int | None
) -> tuple[np.ndarray, int]:
    """Returns the sequence [T, D] of a line of data, and its label."""
    *channels, label = text.split(":")
    values = [[value.strip() for value in c.split(",")] for c in channels]
    for channel, found in enumerate(values):
        missing = [t for t, value in enumerate(found) if value in _MISSING]
        if missing:
            _refuse(
                where,
                f"value {missing[0]} of channel {channel} is missing, which "
                "cannot be read. Fill it in",
            )
    try:
        sequence = np.array([[float(v) for v in c] for c in values], np.float32).T
        label_number = classes[label.strip()]
    except (ValueError, KeyError) as error:
        _refuse(
            where,
            f"{error} cannot be read. A line holds channels of equal length "
            f"parted by ':', then one of {', '.join(classes)}",
        )
    if sequence.ndim != 2 or not np.isfinite(sequence).all():
        _refuse(where, "holds no sequence of numbers. All must be there and finite")
    if num_channels is not None and sequence.shape[1] != num_channels:
        _refuse(
            where,
            f"holds {sequence.shape[1]} channels, but the first line of "
            f"data {num_channels}. All hold as many",
        )
    return sequence, label_number


def _refuse(where: str, text: str) -> NoReturn:
    raise ValueError(f"{where}: {text}.") from None
