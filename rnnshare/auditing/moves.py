"""Where the numbers of an operand go in the result of a primitive."""

import abc
import dataclasses
from collections.abc import Sequence

import numpy as np

from rnnshare.auditing.origins import HOLE, Origin, Shape


class Move(abc.ABC):
    """A way from an operand to a result."""

    @abc.abstractmethod
    def origin(self, origin: Origin) -> Origin | None:
        """Returns the result's origin for the operand's; None where it is not known."""

    def numbers(self, array: np.ndarray) -> np.ndarray | None:
        """Returns the result for the operand, if it only moves its numbers."""
        del array
        return None


@dataclasses.dataclass(frozen=True)
class Lay(Move):
    """Lays the operand's axes along some of the result's, and repeats it elsewhere.

    Attributes:
      to: for each axis of the operand the one of the result.
      shape: of the result.
    """

    to: Sequence[int]
    shape: Shape

    def origin(self, origin: Origin) -> Origin:  # noqa: D102
        return origin.broadcast(len(self.shape), self.to)

    def numbers(self, array: np.ndarray) -> np.ndarray:  # noqa: D102
        return np.broadcast_to(self.unrepeated(array), self.shape)

    def unrepeated(self, array: np.ndarray) -> np.ndarray:
        """Returns `numbers` with an axis of 1 wherever it repeats them."""
        order = sorted(range(array.ndim), key=self.to.__getitem__)
        shape = [1] * len(self.shape)
        for axis in order:
            shape[self.to[axis]] = array.shape[axis]
        return array.transpose(order).reshape(shape)


@dataclasses.dataclass(frozen=True)
class Reshape(Move):
    """Gives another shape."""

    old: Shape
    new: Shape

    def origin(self, origin: Origin) -> Origin:  # noqa: D102
        return origin.reshape(self.old, self.new)

    def numbers(self, array: np.ndarray) -> np.ndarray:  # noqa: D102
        return array.reshape(self.new)


@dataclasses.dataclass(frozen=True)
class Pick(Move):
    """Takes the number at some place for each of the result's.

    Attributes:
      places: for each axis of the operand the place along it, to be broadcast to the
        result's shape; `HOLE` where the result has nothing of the operand.
      shape: of the result.
    """

    places: Sequence[np.ndarray]
    shape: Shape

    def origin(self, origin: Origin) -> Origin | None:  # noqa: D102
        return origin.pull(self.places, len(self.shape))

    def numbers(self, array: np.ndarray) -> np.ndarray | None:  # noqa: D102
        if any((place == HOLE).any() for place in self.places):
            return None
        return np.broadcast_to(array[tuple(self.places)], self.shape)


@dataclasses.dataclass(frozen=True)
class Sum(Move):
    """Sums over axes, or takes the largest along them."""

    axes: Sequence[int]

    def origin(self, origin: Origin) -> Origin:  # noqa: D102
        return origin.summed([int(axis) for axis in self.axes])


@dataclasses.dataclass(frozen=True)
class Mix(Move):
    """Computes every number of the result, of so many axes, of the whole operand."""

    rank: int

    def origin(self, origin: Origin) -> Origin:  # noqa: D102
        return origin.mixed(self.rank)


@dataclasses.dataclass(frozen=True)
class Without(Move):
    """Leaves nothing of the operand in some places: where it is multiplied by zero."""

    hole: np.ndarray

    def origin(self, origin: Origin) -> Origin | None:  # noqa: D102
        return origin.without(self.hole)


@dataclasses.dataclass(frozen=True)
class Chain(Move):
    """Does one move after another."""

    moves: Sequence[Move]

    def origin(self, origin: Origin) -> Origin | None:  # noqa: D102
        found: Origin | None = origin
        for move in self.moves:
            found = None if found is None else move.origin(found)
        return found


def pick_lines(lines: Sequence[np.ndarray], shape: Shape) -> Pick:
    """Returns the move that picks along each axis by a vector of places.

    Args:
      lines: for each axis int[n], n the length of that axis in the result.
      shape: of the result.
    """
    return Pick(
        [along(np.asarray(v), len(shape), a) for a, v in enumerate(lines)], shape
    )


def along(vector: np.ndarray, rank: int, axis: int) -> np.ndarray:
    """Returns a vector that lies along one of so many axes."""
    shape = [1] * rank
    shape[axis] = len(vector)
    return vector.reshape(shape)
