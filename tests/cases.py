"""Which cases of a test `make test` runs; `make test_all` runs the others too."""

from collections.abc import Container, Iterable
from typing import Any

import pytest


def with_slow(cases: Iterable[Any], kept: Container[Any]) -> list[Any]:
    """Returns pytest's parameters of cases; those that are not kept are slow.

    Args:
      cases: of each the value, or the tuple of values; a named tuple is one value.
      kept: those of them that make one of each kind.
    """
    return [
        pytest.param(
            *(case if type(case) is tuple else (case,)),
            marks=[] if case in kept else [pytest.mark.slow],
        )
        for case in cases
    ]
