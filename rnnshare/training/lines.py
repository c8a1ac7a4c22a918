"""A row as a line of strict JSON that says itself whether it is as it was written.

A line is compact JSON whose last field, `crc32`, is that of the bytes before it. Lines
of earlier versions have no such field; they are read where they are, to the letter, as
`json.dumps` writes them. That has blanks where a compact line has none, so a line that
lost its check value is not taken for one that never had any.
"""

import json
import math
import re
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

Row = dict[str, Any]

CHECK = "crc32"
_CHECK = re.compile(rb'[,{]"crc32":([0-9]{1,10})\}\Z')


class DamagedLineError(ValueError):
    """A line is not as it was written."""


def strict(value: Any) -> Any:
    """Returns a value as strict JSON holds it; a number that is not finite is None."""
    if isinstance(value, Mapping):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def json_line(row: Mapping[str, Any]) -> str:
    """Returns a row as one line of strict JSON, with its check value.

    Raises:
      ValueError: if the row has a field of that name.
    """
    if CHECK in row:
        raise ValueError(
            f"A row has a field {CHECK!r}, the name of its check value. Name it "
            "otherwise."
        )
    text = json.dumps(strict(row), allow_nan=False, separators=(",", ":"))[:-1]
    comma = "," if row else ""
    return f'{text}{comma}"{CHECK}":{zlib.crc32(text.encode())}}}\n'


def read_line(line: bytes) -> Row:
    """Returns the row of a line, without its check value.

    Raises:
      DamagedLineError: if the line is not as it was written.
      ValueError: if it is JSON, but of no row, as `[]`, `3` and `null` are.
    """
    line = line.removesuffix(b"\n")
    try:
        row = json.loads(line.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DamagedLineError(f"is not JSON ({error})") from None
    if not isinstance(row, dict):
        raise ValueError(f"is {line.decode()[:40]}, no row: a row is {{...}}")
    if found := _CHECK.search(line):
        del row[CHECK]
        if zlib.crc32(line[: found.start()] or b"{") != int(found[1]):
            raise DamagedLineError(f"does not agree with its {CHECK}")
    elif not row or json.dumps(row).encode() != line:
        raise DamagedLineError(f"lacks its {CHECK}")
    return row


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")
