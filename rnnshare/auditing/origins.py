"""Which numbers of a parameter stand where in an array that is made of it.

An array that only rearranges a parameter, or computes with it number by number, holds
at each place what comes of one number of it; a sum holds what comes of many. Both are
said by one index array for each axis of the parameter, small because an axis along
which it does not change has the length 1.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np

Shape = tuple[int, ...]
HOLE = -1  # the place has nothing of the parameter
_MOST_ORIGINS = 16  # beyond as many rearrangements in one array they are 'unknown'


@dataclasses.dataclass(frozen=True, eq=False)
class Origin:
    """One rearrangement of a parameter in an array.

    The place p of the array comes of the parameter's numbers
    `[index[0][p, q], ..., index[k][p, q]]` for all q: q runs over the inner axes, those
    that were summed over.

    Attributes:
      index: for each axis of the parameter int32[*places, *inner], where an axis along
        which it does not change has the length 1; `HOLE` in the first where the place
        has nothing of the parameter.
      rank: the number of axes of the array, the first ones of each index.
      blurred: whether it is exact of the array as a whole only, and not of its parts.
    """

    index: tuple[np.ndarray, ...]
    rank: int
    blurred: bool = False

    @classmethod
    def of(cls, shape: Shape) -> "Origin":
        """Returns that of the parameter itself."""
        if not shape:
            return cls((np.zeros((), np.int32),), 0)
        rank = len(shape)
        lines = (_along(np.arange(n), rank, axis) for axis, n in enumerate(shape))
        return cls(tuple(lines), rank)

    @functools.cached_property
    def key(self) -> tuple:
        """What equal origins have in common, and no others."""
        arrays = ((a.shape, a.tobytes()) for a in self.index)
        return (self.rank, self.blurred, *arrays)

    @property
    def is_rearranged(self) -> bool:
        """Whether each place comes of one number at most."""
        return not self.blurred and all(a.ndim == self.rank for a in self.index)

    def pull(self, places: Sequence[np.ndarray], rank: int) -> "Origin | None":
        """Returns the origin of an array that picks its places from this one's.

        Args:
          places: for each axis of this array, the place along it that each place of
            the new array [rank axes] takes, or `HOLE`.
          rank: axes of the new array.

        Returns:
          None if this one is blurred.
        """
        if self.blurred:
            return None
        index = [_picked(array, places, self.rank, rank) for array in self.index]
        holes = [p == HOLE for p in places if (p == HOLE).any()]
        if holes:
            return Origin(tuple(index), rank).without(
                functools.reduce(np.bitwise_or, holes)
            )
        return _trimmed(index, rank, False)

    def without(self, hole: np.ndarray) -> "Origin | None":
        """Returns the origin with nothing where `hole`, bool[*places]; see `pull`."""
        if self.blurred:
            return None
        first = self.index[0]
        hole = hole.reshape(hole.shape + (1,) * (first.ndim - hole.ndim))
        first = np.where(hole, np.int32(HOLE), first)
        return _trimmed([first, *self.index[1:]], self.rank, False)

    def broadcast(self, rank: int, to: Sequence[int]) -> "Origin":
        """Returns that of the array with its axes laid at `to` of `rank` axes."""
        if rank == self.rank and list(to) == list(range(rank)):
            return self

        def lay(array: np.ndarray) -> np.ndarray:
            shape = [1] * rank
            order = sorted(range(len(to)), key=to.__getitem__)
            inner = array.shape[self.rank :]
            array = array.transpose((*order, *range(self.rank, array.ndim)))
            for place, axis in enumerate(order):
                shape[to[axis]] = array.shape[place]
            return array.reshape((*shape, *inner))

        return Origin(tuple(map(lay, self.index)), rank, self.blurred)

    def reshape(self, old: Shape, new: Shape) -> "Origin":
        """Returns that of the array, of shape `old`, in the shape `new`."""
        groups = _groups(old, new)

        def lay(array: np.ndarray) -> np.ndarray:
            wide, shape = list(array.shape), [1] * len(new)
            for olds, news in groups:
                if any(array.shape[axis] > 1 for axis in olds):
                    for axis in olds:
                        wide[axis] = old[axis]
                    for axis in news:
                        shape[axis] = new[axis]
            inner = array.shape[self.rank :]
            return np.broadcast_to(array, wide).reshape((*shape, *inner))

        return Origin(tuple(map(lay, self.index)), len(new), self.blurred)

    def summed(self, axes: Sequence[int]) -> "Origin":
        """Returns that of the array's sum over some axes."""
        kept = [axis for axis in range(self.rank) if axis not in axes]

        def lay(array: np.ndarray) -> np.ndarray:
            return array.transpose((*kept, *range(self.rank, array.ndim), *axes))

        return _trimmed(list(map(lay, self.index)), len(kept), self.blurred)

    def mixed(self, rank: int) -> "Origin":
        """Returns that of an array that is computed of the whole of this one."""
        one = self.summed(range(self.rank))
        return dataclasses.replace(one.broadcast(rank, ()), blurred=True)


Origins = tuple[Origin, ...]


def union(first: Origins, second: Origins) -> Origins | None:
    """Returns the origins of what has both; None if they are too many to follow."""
    found = list(first)
    for origin in second:
        if any(origin.key == other.key for other in found):
            continue
        for place, other in enumerate(found):
            joined = _joined(other, origin)
            if joined is not None:
                found[place] = joined
                break
        else:
            found.append(origin)
    return tuple(found) if len(found) <= _MOST_ORIGINS else None


def stacked(origins: Sequence[Origin]) -> Origin | None:
    """Returns that of arrays of one shape, stacked along a new axis 0.

    None if one is blurred, or they were summed over axes of other lengths.
    """
    first = origins[0]
    if any(origin.blurred for origin in origins) or not _alike(origins):
        return None
    index = []
    for arrays in zip(*(origin.index for origin in origins), strict=True):
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        rows = np.stack([np.broadcast_to(array, shape) for array in arrays])
        index.append(rows[:1] if (rows == rows[:1]).all() else rows)
    return Origin(tuple(index), first.rank + 1)


def _joined(a: Origin, b: Origin) -> Origin | None:
    """Returns one origin for two that have no place in common, as in a stack."""
    if a.blurred or b.blurred or not _alike((a, b)):
        return None
    mine, others = a.index[0] != HOLE, b.index[0] != HOLE
    if mine.all() or others.all() or (mine & others).any():
        return None
    index = [np.where(mine, x, y) for x, y in zip(a.index, b.index, strict=True)]
    return Origin(tuple(index), a.rank)


def _alike(origins: Sequence[Origin]) -> bool:
    """Whether the inner axes of all fit together."""
    inner = [
        np.broadcast_shapes(*(array.shape[origin.rank :] for array in origin.index))
        for origin in origins
    ]
    if len(set(map(len, inner))) > 1:
        return False
    return all(len(set(sizes) - {1}) < 2 for sizes in zip(*inner, strict=True))


def _picked(array: np.ndarray, places: Sequence, old: int, new: int) -> np.ndarray:
    inner = array.shape[old:]
    moving = [axis for axis in range(old) if array.shape[axis] > 1]
    if not moving:
        return array.reshape((1,) * new + inner)
    small = array.reshape((*(array.shape[axis] for axis in moving), *inner))
    return small[tuple(np.maximum(places[axis], 0) for axis in moving)]


def _trimmed(index: list[np.ndarray], rank: int, blurred: bool) -> Origin:
    """Returns an origin without inner axes along which nothing changes."""
    inner = max(a.ndim for a in index) - rank
    idle = [
        axis
        for axis in range(rank, rank + inner)
        if all(a.shape[axis] == 1 for a in index)
    ]
    return Origin(tuple(np.squeeze(a, tuple(idle)) for a in index), rank, blurred)


def _groups(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]]:
    """Returns the least groups of axes of two shapes that hold as much, in order."""
    groups, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        olds, news = [i][: len(old) - i], [j][: len(new) - j]
        i, j = i + len(olds), j + len(news)
        while (a := math.prod(old[k] for k in olds)) != (
            b := math.prod(new[k] for k in news)
        ):
            if (a < b and i < len(old)) or j == len(new):
                olds, i = [*olds, i], i + 1
            else:
                news, j = [*news, j], j + 1
        groups.append((olds, news))
    return groups


def _along(vector: np.ndarray, rank: int, axis: int) -> np.ndarray:
    """Returns a vector as int32 that lies along one of so many axes."""
    shape = [1] * rank
    shape[axis] = len(vector)
    return vector.astype(np.int32).reshape(shape)
