"""Which pairs of the table of the laws `make test` runs, as pytest's parameters."""

from collections.abc import Container
from typing import Any

import pytest

from tests.library.law_cases import FORMS, ONE_PART, POLICIES, SHARINGS

OF_ALL = {*SHARINGS, *FORMS, *POLICIES} - {*ONE_PART}
# Of how a sharing is run hardly anything is a form's or a policy's own; a Schedule's
# program is that of Segments (test_schedule.py).
OF_RUNNING = {
    *(SHARINGS.keys() - {"Schedule"}),
    *("Untied-hold", "Untied-stretch", "LowRank-base", "Partition-of-three"),
}


def parameters(pairs: list[tuple[str, str]], sharings: Container[str]) -> list[Any]:
    """Returns pytest's parameters of pairs; those marked slow add no new kind of one.

    Every sharing stands with the LSTM all the same, and every cell tied and untied;
    what a partition of several parts obeys, one of one does.

    Args:
      pairs: names of a sharing and of a cell.
      sharings: the names of those that are not left out.
    """

    def adds(sharing: str, cell: str) -> bool:
        if cell == "LRU associative":  # which is tested against the scan
            return False
        if sharing in ("Tied", "Untied"):
            return True
        return cell in ("LSTM", "LSTM scan") and sharing in sharings

    return [
        pytest.param(
            (sharing, cell),
            id=f"{sharing}-{cell}",
            marks=[] if adds(sharing, cell) else [pytest.mark.slow],
        )
        for sharing, cell in pairs
    ]
