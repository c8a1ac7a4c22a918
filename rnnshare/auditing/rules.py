"""A rule for each family of primitives: how its results come of its operands."""

from collections.abc import Callable, Sequence

import numpy as np

from rnnshare.auditing import picking
from rnnshare.auditing.known import ELEMENTWISE as KNOWN_ELEMENTWISE
from rnnshare.auditing.moves import (
    Chain,
    Lay,
    Mix,
    Move,
    Reshape,
    Sum,
    Without,
)
from rnnshare.auditing.origins import Shape
from rnnshare.auditing.parts import Unknown
from rnnshare.auditing.picking import Moves, Params, Values
from rnnshare.auditing.values import keys_of

CHOSEN = Unknown("whether it is read depends on a mask that is not worked out")

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
        chains = (
            Chain([other, Without(picked != n)]) for n, other in enumerate(others)
        )
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


_RULES: dict[str, Callable[[Params, Values, Shape, int], Moves]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": picking.concatenate,
    "dot_general": _dot_general,
    "dynamic_slice": picking.dynamic_slice,
    "dynamic_update_slice": picking.dynamic_update_slice,
    "gather": picking.gather,
    "mul": _mul,
    "pad": picking.pad,
    "reshape": _reshape,
    "rev": picking.reverse,
    "select_n": _select_n,
    "slice": picking.static_slice,
    "split": picking.split,
    "squeeze": _squeeze,
    "stack": picking.stack,
    "tile": picking.tile,
    "transpose": _transpose,
}
