"""A rule for each family of primitives: how its results come of its operands."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jax.lax import GatherScatterMode

from rnnshare.auditing.known import ELEMENTWISE as KNOWN_ELEMENTWISE
from rnnshare.auditing.moves import (
    Chain,
    Lay,
    Mix,
    Move,
    Pick,
    Reshape,
    Sum,
    Without,
    along,
    pick_lines,
)
from rnnshare.auditing.origins import HOLE, Shape
from rnnshare.auditing.parts import Unknown
from rnnshare.auditing.values import Value, keys_of

Params = Mapping[str, Any]
Values = Sequence[Value]
Moves = list[Move | Unknown | None]  # None: nothing of the operand
BY_DATA = Unknown("it is picked by an index that the program computes of its inputs")
CHOSEN = Unknown("whether it is read hangs on what the program computes")

SAME = {
    "copy", "copy_p", "layout_constraint", "mesh_cast", "name", "pvary", "reshard",
    "sharding_constraint", "stop_gradient",
}  # fmt: skip
ONE_OF_MANY = {"device_put", "optimization_barrier"}  # result n is operand n
ELEMENTWISE = SAME | set(KNOWN_ELEMENTWISE) - {"mul", "select_n"} | {
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "clamp",
    "complex", "conj", "convert_element_type", "cos", "cosh", "digamma", "erf",
    "erf_inv", "erfc", "exp", "exp2", "expm1", "imag", "integer_pow", "is_finite",
    "lgamma", "log", "log1p", "logistic", "nextafter", "pow", "real",
    "reduce_precision", "round", "rsqrt", "shift_left", "shift_right_arithmetic",
    "shift_right_logical", "sin", "sinh", "sqrt", "tan", "tanh",
}  # fmt: skip
REDUCTIONS = {
    "argmax", "argmin", "reduce_and", "reduce_max", "reduce_min", "reduce_or",
    "reduce_prod", "reduce_sum", "reduce_xor",
}  # fmt: skip
MIXING = {
    "cholesky", "conv_general_dilated", "cumlogsumexp", "cummax", "cummin", "cumprod",
    "cumsum", "eigh", "fft", "householder_product", "lu", "qr", "reduce_window_max",
    "reduce_window_min", "reduce_window_sum", "sort", "svd", "triangular_solve",
}  # fmt: skip


def moves_of(
    name: str, params: Params, values: Values, shapes: Sequence[Shape], number: int
) -> Moves:
    """Returns how each operand goes into one of a primitive's results.

    Args:
      name: of the primitive.
      params: its parameters.
      values: its operands.
      shapes: of its results.
      number: of the result that is asked for.
    """
    shape = shapes[number]
    if name in ELEMENTWISE:
        return list(_lays(values, shape))
    if name in REDUCTIONS:
        return [Sum(params["axes"])]
    if name in MIXING:
        return [Mix(len(shape))] * len(values)
    if name in ONE_OF_MANY:
        moves: Moves = [None] * len(values)
        moves[number] = Lay(range(len(shape)), shape)
        return moves
    rule = _RULES.get(name)
    if rule is None:
        return [Unknown(f"it goes into {name!r}, which is not followed")] * len(values)
    return rule(params, values, shape, number)


def _lays(values: Values, shape: Shape) -> list[Lay]:
    return [Lay(range(len(value.shape)), shape) for value in values]


def _mul(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    """A number that is multiplied by a known zero is not read."""
    del params
    return list(_past_zeros(_lays(values, shape), values))


def _dot_general(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    """As a product over all axes, the result's and the summed ones, and their sum."""
    contracting, batch = params["dimension_numbers"]
    summed_sizes = (values[0].shape[axis] for axis in contracting[0])
    full = (*shape, *summed_sizes)
    free, lays = len(batch[0]), []
    for value, summed, shared in zip(values, contracting, batch, strict=True):
        to = []
        for axis in range(len(value.shape)):
            if axis in shared:
                to.append(list(shared).index(axis))
            elif axis in summed:
                to.append(len(shape) + list(summed).index(axis))
            else:
                to.append(free)
                free += 1
        lays.append(Lay(to, full))
    over = Sum(range(len(shape), len(full)))
    return [Chain([move, over]) for move in _past_zeros(lays, values)]


def _past_zeros(lays: list[Lay], values: Values) -> list[Move]:
    """Returns the moves of two factors, with nothing where the other is known as 0."""
    moves: list[Move] = []
    for lay, other, across in zip(lays, values[::-1], lays[::-1], strict=True):
        if other.known is None or other.known.all():
            moves.append(lay)
        else:
            zeros = across.unrepeated(other.known == 0)
            moves.append(Chain([lay, Without(zeros)]))
    return moves


def _select_n(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    del params
    which, *cases = values
    lays = _lays(values, shape)
    if which.known is not None:
        lay, *others = lays
        picked = lay.unrepeated(which.known)
        chains = (Chain([other, Without(picked != n)]) for n, other in enumerate(others))
        return [lay, *chains]
    same = len({keys_of(case.sources) for case in cases}) == 1
    return list(lays) if same else [lays[0], *[CHOSEN] * len(cases)]


def _transpose(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    del values
    return [Lay([int(n) for n in np.argsort(params["permutation"])], shape)]


def _broadcast(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    to = [int(axis) for axis in params["broadcast_dimensions"]]
    return [Lay(to, shape)]


def _reshape(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    if params.get("dimensions") is not None:
        return [Unknown("it is reshaped in another order of its axes")]
    return [Reshape(values[0].shape, shape)]


def _squeeze(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    del params
    return [Reshape(values[0].shape, shape)]


def _slice(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    strides = params["strides"] or (1,) * len(shape)
    bounds = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    return [pick_lines([np.arange(*bound) for bound in bounds], shape)]


def _split(params: Params, values: Values, shape: Shape, number: int) -> Moves:
    lines = [np.arange(n) for n in shape]
    lines[params["axis"]] += int(sum(params["sizes"][:number]))
    return [pick_lines(lines, shape)]


def _rev(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    lines = [np.arange(n) for n in shape]
    for axis in params["dimensions"]:
        lines[axis] = lines[axis][::-1]
    return [pick_lines(lines, shape)]


def _tile(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    lines = [np.arange(n) % m for n, m in zip(shape, values[0].shape, strict=True)]
    return [pick_lines(lines, shape)]


def _pad(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    lines = []
    config = zip(shape, values[0].shape, params["padding_config"], strict=True)
    for n, old, (low, _high, interior) in config:
        place, between = np.divmod(np.arange(n) - int(low), int(interior) + 1)
        inside = (between == 0) & (place >= 0) & (place < old)
        lines.append(np.where(inside, place, HOLE))
    return [pick_lines(lines, shape), Lay((), shape)]


def _concatenate(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    axis, start, moves = params["dimension"], 0, []
    for value in values:
        place = np.arange(shape[axis]) - start
        start += value.shape[axis]
        inside = (place >= 0) & (place < value.shape[axis])
        lines = [np.arange(n) for n in shape]
        lines[axis] = np.where(inside, place, HOLE)
        moves.append(pick_lines(lines, shape))
    return list(moves)


def _stack(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    axis, rank = params["axis"], len(shape)
    to = [n for n in range(rank) if n != axis]
    here = along(np.arange(shape[axis]), rank, axis)
    return [Chain([Lay(to, shape), Without(here != n)]) for n in range(len(values))]


def _dynamic_slice(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    operand, *starts = values
    lines = []
    for n, size, start in zip(operand.shape, shape, starts, strict=True):
        if start.known is None and size != n:
            return [BY_DATA] * len(values)
        first = 0 if size == n else np.clip(int(start.known), 0, n - size)
        lines.append(np.arange(size) + first)
    return [pick_lines(lines, shape), *[BY_DATA] * len(starts)]


def _update(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    operand, update, *starts = values
    lines, inside = [], np.ones((1,) * len(shape), bool)
    for axis, (n, size, start) in enumerate(
        zip(operand.shape, update.shape, starts, strict=True)
    ):
        if start.known is None and size != n:
            return [BY_DATA] * len(values)
        first = 0 if size == n else np.clip(int(start.known), 0, n - size)
        place = np.arange(n) - first
        lines.append(np.where((place >= 0) & (place < size), place, HOLE))
        inside = inside & (along(lines[-1], len(shape), axis) != HOLE)
    kept = Chain([Lay(range(len(shape)), shape), Without(inside)])
    return [kept, pick_lines(lines, shape), *[BY_DATA] * len(starts)]


def _gather(params: Params, values: Values, shape: Shape, _: int) -> Moves:
    operand, index = values
    if index.known is None:
        return [BY_DATA, BY_DATA]
    numbers, rank = params["dimension_numbers"], len(shape)
    batch_axes = [axis for axis in range(rank) if axis not in numbers.offset_dims]
    gone = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    offset_of = dict(
        zip((a for a in range(len(operand.shape)) if a not in gone),
            numbers.offset_dims, strict=True)
    )  # fmt: skip
    places = []
    for axis, (n, size) in enumerate(zip(operand.shape, params["slice_sizes"], strict=True)):
        place = np.zeros((1,) * rank, int)
        if axis in numbers.start_index_map:
            start = index.known[..., list(numbers.start_index_map).index(axis)]
            outside = (start < 0) | (start > n - size)
            if params["mode"] == GatherScatterMode.CLIP:
                start, outside = np.clip(start, 0, n - size), np.zeros_like(outside)
            elif params["mode"] != GatherScatterMode.FILL_OR_DROP and outside.any():
                return [Unknown("it is picked by an index outside of it"), BY_DATA]
            lie = [1] * rank
            for batch_axis, length in zip(batch_axes, start.shape, strict=True):
                lie[batch_axis] = length
            place = np.where(outside, n, start).reshape(lie)
        if axis in numbers.operand_batching_dims:
            number = list(numbers.operand_batching_dims).index(axis)
            along_axis = batch_axes[numbers.start_indices_batching_dims[number]]
            place = along(np.arange(n), rank, along_axis)
        if axis in offset_of:
            place = place + along(np.arange(size), rank, offset_of[axis])
        places.append(np.where(place >= n, HOLE, place))
    return [Pick(places, shape), BY_DATA]


_RULES: dict[str, Callable[[Params, Values, Shape, int], Moves]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "dot_general": _dot_general,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _update,
    "gather": _gather,
    "mul": _mul,
    "pad": _pad,
    "reshape": _reshape,
    "rev": _rev,
    "select_n": _select_n,
    "slice": _slice,
    "split": _split,
    "squeeze": _squeeze,
    "stack": _stack,
    "tile": _tile,
    "transpose": _transpose,
}
