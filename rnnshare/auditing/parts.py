"""Parts of a parameter: the sets of its numbers that are read, in one form each."""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Iterable

import numpy as np

from rnnshare.auditing.origins import HOLE, Origin, Shape

_MOST_NUMBERS = 2**28  # of a parameter whose parts are marked number by number
Box = dict[tuple[int, ...], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Unknown:
    """A part that is not known.

    Attributes:
      reason: why, the end of a sentence.
    """

    reason: str


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """A set of a parameter's numbers; equal sets compare equal.

    Attributes:
      shape: of the parameter.
      rows: for each axis the indices, increasing, whose product the set is; None if it
        is no such product.
      digest: of the set, where it is none.
    """

    shape: Shape
    rows: tuple[np.ndarray, ...] | None
    digest: bytes = b""

    @functools.cached_property
    def key(self) -> tuple:
        """What equal sets have in common."""
        rows = None if self.rows is None else tuple(row.tobytes() for row in self.rows)
        return (self.shape, rows, self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def is_all(self) -> bool:
        """Whether it is the whole parameter."""
        return not self._cut_axes()

    @property
    def index(self) -> tuple[int, int] | None:
        """The axis, and the index along it, if it is all that stands at one index."""
        cut = self._cut_axes()
        if self.rows is None or len(cut) != 1 or len(self.rows[cut[0]]) != 1:
            return None
        return cut[0], int(self.rows[cut[0]][0])

    def _cut_axes(self) -> list[int]:
        if self.rows is None:
            return list(range(len(self.shape)))
        sizes = zip(self.rows, self.shape, strict=True)
        return [axis for axis, (row, n) in enumerate(sizes) if len(row) < n]


def part_of(origins: Iterable[Origin], shape: Shape) -> Part | Unknown | None:
    """Returns the numbers of a parameter of a shape that an array comes of.

    Args:
      origins: of the array.
      shape: of the parameter.

    Returns:
      None if there are none.
    """
    shape = shape or (1,)
    boxes = [box for origin in origins if (box := _box(origin)) is not None]
    boxes = _merged(boxes)
    if not boxes:
        return None
    if len(boxes) == 1 and all(len(axes) == 1 for axes in boxes[0]):
        return Part(shape, tuple(boxes[0][axis,][:, 0] for axis in range(len(shape))))
    if math.prod(shape) > _MOST_NUMBERS:
        return Unknown("it is read in parts that are too large to mark")
    mark = np.zeros(shape, bool)
    for box in boxes:
        mark[_places(box, len(shape))] = True
    rows = tuple(
        np.flatnonzero(mark.any(tuple(a for a in range(mark.ndim) if a != axis)))
        for axis in range(mark.ndim)
    )
    if mark.sum() == math.prod(map(len, rows)):
        return Part(shape, tuple(row.astype(np.int32) for row in rows))
    return Part(shape, None, hashlib.sha256(np.packbits(mark).tobytes()).digest())


def _box(origin: Origin) -> Box | None:
    """Returns the numbers as a product of sets of indices along some axes each.

    Axes of the parameter whose indices change along one axis of the array are taken
    together, as those of a diagonal are. None of an empty set.
    """
    groups: list[tuple[set[int], set[int]]] = []  # axes of the parameter, of the array
    for axis, array in enumerate(origin.index):
        mine, along = {axis}, {a for a in range(array.ndim) if array.shape[a] > 1}
        for group in [g for g in groups if g[1] & along]:
            groups.remove(group)
            mine, along = mine | group[0], along | group[1]
        groups.append((mine, along))
    box: Box = {}
    for mine, _ in groups:
        axes = tuple(sorted(mine))
        columns = np.broadcast_arrays(*(origin.index[axis] for axis in axes))
        rows = np.stack([np.ravel(column) for column in columns], axis=1)
        rows = np.unique(rows[(rows != HOLE).all(1)], axis=0)
        if not len(rows):
            return None
        if len(axes) == 1:
            box[axes] = rows
            continue
        singles = [np.unique(column)[:, None] for column in rows.T]
        if len(rows) == math.prod(map(len, singles)):
            box.update({(axis,): row for axis, row in zip(axes, singles, strict=True)})
        else:
            box[axes] = rows
    return box


def _merged(boxes: list[Box]) -> list[Box]:
    """Joins boxes that differ along one group of axes alone, as those of gates do."""
    found: list[Box] = []
    for box in boxes:
        place = 0
        while place < len(found):
            apart = _apart(box, found[place])
            if apart is None:
                place += 1
                continue
            other, box, place = found.pop(place), dict(box), 0
            for axes in apart:
                both = np.concatenate([box[axes], other[axes]])
                box[axes] = np.unique(both, axis=0)
        found.append(box)
    return found


def _apart(box: Box, other: Box) -> list[tuple[int, ...]] | None:
    """Returns the groups, none or one, along which boxes differ; None if more do."""
    if box.keys() != other.keys():
        return None
    apart = [axes for axes in box if not np.array_equal(box[axes], other[axes])]
    return apart if len(apart) < 2 else None


def _places(box: Box, rank: int) -> tuple[np.ndarray, ...]:
    """Returns the indices of a box's numbers, to be broadcast."""
    places: list[np.ndarray] = [np.zeros(())] * rank
    for number, (axes, rows) in enumerate(box.items()):
        shape = [1] * len(box)
        shape[number] = len(rows)
        for column, axis in enumerate(axes):
            places[axis] = rows[:, column].reshape(shape)
    return tuple(places)
