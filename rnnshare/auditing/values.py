"""What is known of an array while a program is walked through."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rnnshare.auditing.moves import Move
from rnnshare.auditing.origins import Origins, Shape, union
from rnnshare.auditing.parts import Unknown

Sources = Mapping[int, Origins | Unknown]
IN_PARTS = Unknown("a part is taken of what was computed of all of it")
TOO_MANY = Unknown("it is rearranged in more ways than are followed")
_MOST_KNOWN = 2**16  # numbers of an array whose values are kept


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """An array, as far as it matters here.

    Attributes:
      shape: of the array.
      known: its numbers, where they are the same whatever the inputs and parameters.
      is_data: whether it depends on the inputs.
      sources: by a parameter's number, which of its numbers it comes of. Those of data
        are what it was made of by sums and products before, for all steps of a loop at
        once; they may be left out.
    """

    shape: Shape
    known: np.ndarray | None = None
    is_data: bool = False
    sources: Sources = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def key(self) -> tuple:
        """What values have in common that nothing here tells apart."""
        known = None if self.known is None else self.known.tobytes()
        return (self.shape, known, self.is_data, keys_of(self.sources))

    @property
    def without_sources(self) -> "Value":
        """The value with nothing said of its sources."""
        return dataclasses.replace(self, sources={}) if self.sources else self


def constant(array: Any) -> Value:
    """Returns the value of an array that is there while the program is traced."""
    shape = tuple(np.shape(array))
    dtype = getattr(array, "dtype", None)
    if dtype is not None and not isinstance(dtype, np.dtype):
        return Value(shape)  # keys of random numbers
    return Value(shape, keep_small(np.asarray(array)))


def keep_small(known: np.ndarray | None) -> np.ndarray | None:
    """Returns the numbers, unless they are too many to be kept."""
    return known if known is not None and known.size <= _MOST_KNOWN else None


def keys_of(sources: Sources) -> tuple:
    """Returns what equal sources have in common."""
    return tuple(
        (number, found if isinstance(found, Unknown) else tuple(o.key for o in found))
        for number, found in sorted(sources.items())
    )


def moved(move: Move | Unknown | None, value: Value) -> dict[int, Origins | Unknown]:
    """Returns the sources of what a move makes of a value."""
    result: dict[int, Origins | Unknown] = {}
    for number, found in value.sources.items():
        if move is None:
            continue
        if isinstance(found, Unknown):
            result[number] = found
            continue
        if isinstance(move, Unknown):
            result[number] = move
            continue
        made: Origins | None = ()
        for origin in found:
            one = move.origin(origin)
            made = None if one is None or made is None else union(made, (one,))
        result[number] = IN_PARTS if made is None else made
    return result


def merged(all_sources: Iterable[Sources]) -> dict[int, Origins | Unknown]:
    """Returns the sources of what is made of arrays with these."""
    result: dict[int, Origins | Unknown] = {}
    for sources in all_sources:
        for number, found in sources.items():
            before = result.get(number)
            if before is None or isinstance(found, Unknown):
                result[number] = found
            elif not isinstance(before, Unknown):
                result[number] = union(before, found) or TOO_MANY
    return result


def either(first: Value, second: Value, reason: Unknown) -> Value:
    """Returns what is known of an array that is one of two, nobody knows which."""
    if first.key == second.key:
        return first
    sources: dict[int, Origins | Unknown] = {}
    for number in {**first.sources, **second.sources}:
        mine, others = first.sources.get(number), second.sources.get(number)
        same = (
            mine is not None
            and others is not None
            and keys_of({0: mine}) == keys_of({0: others})
        )
        sources[number] = mine if same and mine is not None else reason
    is_data = first.is_data or second.is_data
    known = first.known
    if known is None or second.known is None or not np.array_equal(known, second.known):
        known = None
    return Value(first.shape, known, is_data, sources)
