"""Which pairs of the table of the laws `make test` runs, as pytest's parameters."""

from collections.abc import Container, Sequence
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
# What a stored gradient may flow through: a selection, a mean of all steps, a sum of
# templates, a product of factors, functions of time, and an input.
OF_GRADIENTS = {"Segments", "Untied-mean", "Mixture", "LowRank", "Basis", "TimeInput"}


def parameters(
    pairs: list[tuple[str, str]],
    sharings: Container[str],
    of_all_cells: Sequence[str] = ("Untied",),
) -> list[Any]:
    """Returns pytest's parameters of pairs; those marked slow add no new kind of one.

    Every sharing stands with the LSTM all the same, and every cell untied (tied it is
    in the law of lengths, and against Flax's); what a partition of several parts obeys,
    one of one does.

    Args:
      pairs: names of a sharing and of a cell.
      sharings: the names of those that are not left out.
      of_all_cells: those that stand with every cell.
    """

    def adds(sharing: str, cell: str) -> bool:
        if cell == "LRU associative":  # which is tested against the scan
            return False
        return sharing in of_all_cells or (cell == "LSTM" and sharing in sharings)

    return [_parameter(pair, adds(*pair)) for pair in pairs]


def in_turn(
    pairs: list[tuple[str, str]], sharings: Container[str], turn: int, turns: int
) -> list[Any]:
    """Returns the same of one of several laws: each pair is kept by one of them alone.

    The first by law 0, the next one by law 1, and so on, and round again: every law
    meets sharings of all kinds, and every sharing meets a law.

    Args:
      pairs, sharings: see `parameters`.
      turn: the law's number.
      turns: how many laws there are.
    """
    kept = [p.values[0] for p in parameters(pairs, sharings) if not p.marks]
    mine = kept[turn::turns]
    return [_parameter(pair, pair in mine) for pair in pairs]


def _parameter(pair: tuple[str, str], is_kept: bool) -> Any:
    marks = [] if is_kept else [pytest.mark.slow]
    return pytest.param(pair, id="-".join(pair), marks=marks)
