"""Rules for primitives that pick places of their operands: slices, gathers, stacks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jax.lax import GatherScatterMode

from rnnshare.auditing.moves import Chain, Lay, Move, Pick, Without, along, pick_lines
from rnnshare.auditing.origins import HOLE, Shape
from rnnshare.auditing.parts import Unknown
from rnnshare.auditing.values import Value

Params = Mapping[str, Any]
Values = Sequence[Value]
Moves = list[Move | Unknown | None]  # None: nothing of the operand
BY_DATA = Unknown(
    "it is picked by an index that is not worked out, as it depends on the inputs, or "
    "on what is not followed"
)


def static_slice(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    """A run of places along each axis, as `lax.slice` takes it."""
    strides = params["strides"] or (1,) * len(shape)
    bounds = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    return [pick_lines([np.arange(*bound) for bound in bounds], shape)]


def split(params: Params, values: Values, shape: Shape, number: int) -> Moves:
    """A run of places along one axis."""
    lines = [np.arange(n) for n in shape]
    lines[params["axis"]] += int(sum(params["sizes"][:number]))
    return [pick_lines(lines, shape)]


def reverse(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    """The places backwards."""
    lines = [np.arange(n) for n in shape]
    for axis in params["dimensions"]:
        lines[axis] = lines[axis][::-1]
    return [pick_lines(lines, shape)]


def tile(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    """All places again and again."""
    lines = [np.arange(n) % m for n, m in zip(shape, values[0].shape, strict=True)]
    return [pick_lines(lines, shape)]


def pad(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    """The operand, and the padding around it."""
    lines = []
    config = zip(shape, values[0].shape, params["padding_config"], strict=True)
    for n, old, (low, _high, interior) in config:
        place, between = np.divmod(np.arange(n) - int(low), int(interior) + 1)
        inside = (between == 0) & (place >= 0) & (place < old)
        lines.append(np.where(inside, place, HOLE))
    return [pick_lines(lines, shape), Lay((), shape)]


def concatenate(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    """Each operand at its own places along one axis."""
    axis, start, moves = params["dimension"], 0, []
    for value in values:
        place = np.arange(shape[axis]) - start
        start += value.shape[axis]
        inside = (place >= 0) & (place < value.shape[axis])
        lines = [np.arange(n) for n in shape]
        lines[axis] = np.where(inside, place, HOLE)
        moves.append(pick_lines(lines, shape))
    return list(moves)


def stack(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    """Each operand at its own index along a new axis."""
    axis, rank = params["axis"], len(shape)
    to = [n for n in range(rank) if n != axis]
    here = along(np.arange(shape[axis]), rank, axis)
    return [Chain([Lay(to, shape), Without(here != n)]) for n in range(len(values))]


def dynamic_slice(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    """Places after an index, which is clipped as JAX does it."""
    operand, *starts = values
    lines = []
    for n, size, start in zip(operand.shape, shape, starts, strict=True):
        first = _first(start, n, size)
        if first is None:
            return [BY_DATA] * len(values)
        lines.append(np.arange(size) + first)
    return [pick_lines(lines, shape), *[BY_DATA] * len(starts)]


def dynamic_update_slice(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    """The operand but for the places of the update, which has them."""
    operand, update, *starts = values
    lines, inside = [], np.ones((1,) * len(shape), bool)
    for axis, (n, size, start) in enumerate(
        zip(operand.shape, update.shape, starts, strict=True)
    ):
        first = _first(start, n, size)
        if first is None:
            return [BY_DATA] * len(values)
        place = np.arange(n) - first
        lines.append(np.where((place >= 0) & (place < size), place, HOLE))
        inside = inside & (along(lines[-1], len(shape), axis) != HOLE)
    kept = Chain([Lay(range(len(shape)), shape), Without(inside)])
    return [kept, pick_lines(lines, shape), *[BY_DATA] * len(starts)]


def gather(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    """Slices at many indices, as `lax.gather` says."""
    operand, index = values
    if index.known is None:
        return [BY_DATA, BY_DATA]
    numbers, rank = params["dimension_numbers"], len(shape)
    batch_axes = [axis for axis in range(rank) if axis not in numbers.offset_dims]
    gone = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    left = [axis for axis in range(len(operand.shape)) if axis not in gone]
    offset_of = dict(zip(left, numbers.offset_dims, strict=True))
    places = []
    for axis, size in enumerate(params["slice_sizes"]):
        n, place = operand.shape[axis], np.zeros((1,) * rank, int)
        if axis in numbers.start_index_map:
            column = list(numbers.start_index_map).index(axis)
            starts = _starts(index.known[..., column], n, size, params["mode"])
            if starts is None:
                return [Unknown("it is picked by an index outside of it"), BY_DATA]
            lie = [1] * rank
            for batch_axis, length in zip(batch_axes, starts.shape, strict=True):
                lie[batch_axis] = length
            place = starts.reshape(lie)
        if axis in numbers.operand_batching_dims:
            number = list(numbers.operand_batching_dims).index(axis)
            batch_axis = batch_axes[numbers.start_indices_batching_dims[number]]
            place = along(np.arange(n), rank, batch_axis)
        if axis in offset_of:
            place = place + along(np.arange(size), rank, offset_of[axis])
        places.append(np.where(place >= n, HOLE, place))
    return [Pick(places, shape), BY_DATA]


def _starts(index: np.ndarray, n: int, size: int, mode: Any) -> np.ndarray | None:
    """Returns where slices begin along an axis, n if filled; None if undefined."""
    starts = index.astype(int)
    outside = (starts < 0) | (starts > n - size)
    if mode == GatherScatterMode.CLIP:
        return np.clip(starts, 0, n - size)
    if mode == GatherScatterMode.FILL_OR_DROP or not outside.any():
        return np.where(outside, n, starts)
    return None


def _first(start: Value, length: int, size: int) -> int | None:
    """Returns where a slice begins, within the axis; None if that is not known."""
    if size == length:
        return 0
    return None if start.known is None else int(np.clip(start.known, 0, length - size))
