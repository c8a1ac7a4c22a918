"""The numbers of arrays that are known while a program is traced: indices and masks.

Integers and booleans are computed as JAX does. Of floating-point numbers only results
that are exact are kept, since a compiled program may round otherwise.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Numbers = Sequence[np.ndarray]


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    if a.dtype.kind not in "iu":
        return a / b
    if (b == 0).any() or (a == np.iinfo(a.dtype).min).any():
        return None
    magnitude = np.abs(a) // np.abs(b)  # towards zero, as in C
    return (magnitude * np.sign(a) * np.sign(b)).astype(a.dtype)


def _remainder(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    return None if (b == 0).any() else np.fmod(a, b)


def _select(which: np.ndarray, *cases: np.ndarray) -> np.ndarray | None:
    return np.choose(which.astype(np.int32), cases) if len(cases) < 32 else None


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "abs": np.abs, "add": operator.add, "add_any": operator.add, "and": np.bitwise_and,
    "ceil": np.ceil, "copy": np.copy, "copy_p": np.copy, "div": _divide,
    "eq": operator.eq, "floor": np.floor, "ge": operator.ge, "gt": operator.gt,
    "le": operator.le, "lt": operator.lt, "max": np.maximum, "min": np.minimum,
    "mul": operator.mul, "ne": operator.ne, "neg": operator.neg, "not": np.invert,
    "or": np.bitwise_or, "rem": _remainder, "sign": np.sign, "square": np.square,
    "select_n": _select, "stop_gradient": np.copy, "sub": operator.sub,
    "xor": np.bitwise_xor,
}  # fmt: skip
_ROUNDS = {"add", "add_any", "div", "mul", "square", "sub"}


def evaluate(name: str, params: Mapping[str, Any], numbers: Numbers) -> Any:
    """Returns what a primitive makes of known numbers; None if that is not known.

    Args:
      name: of the primitive, one of a single result.
      params: its parameters.
      numbers: its operands.
    """
    with np.errstate(all="ignore"):
        if name in ELEMENTWISE:
            return _elementwise(name, numbers)
        if name in _OTHERS:
            return _OTHERS[name](params, *numbers)
    return None


def _elementwise(name: str, numbers: Numbers) -> np.ndarray | None:
    rounds = name in _ROUNDS and numbers[0].dtype.kind not in "iub"
    if rounds and numbers[0].dtype.itemsize > 4:
        return None  # there is no wider type to compare with
    found = ELEMENTWISE[name](*numbers)
    if rounds:
        wide = ELEMENTWISE[name](*(n.astype(np.float64) for n in numbers))
        if not np.array_equal(wide, np.asarray(found).astype(np.float64)):
            return None
    return found if found is None else np.asarray(found)


def _iota(params: Mapping[str, Any]) -> np.ndarray:
    shape, axis = params["shape"], params["dimension"]
    lie = [1] * len(shape)
    lie[axis] = shape[axis]
    line = np.arange(shape[axis]).astype(params["dtype"])
    return np.broadcast_to(line.reshape(lie), shape)


def _convert(params: Mapping[str, Any], a: np.ndarray) -> np.ndarray | None:
    to = np.dtype(params["new_dtype"])
    made = a.astype(to)
    if to.kind != "b" and not np.array_equal(made.astype(a.dtype), a):
        return None  # rounded, or wrapped around
    return made


def _clamp(params: Mapping[str, Any], low: Any, a: Any, high: Any) -> np.ndarray:
    del params
    return np.minimum(np.maximum(a, low), high)


def _reduced(by: np.ufunc) -> Callable[..., np.ndarray | None]:
    def reduce(params: Mapping[str, Any], a: np.ndarray) -> np.ndarray | None:
        if a.dtype.kind not in "iub":
            return None
        return by.reduce(a, axis=tuple(params["axes"]), dtype=a.dtype)

    return reduce


def _cumsum(params: Mapping[str, Any], a: np.ndarray) -> np.ndarray | None:
    if params.get("reverse") or a.dtype.kind not in "iu":
        return None
    return np.cumsum(a, axis=params["axis"], dtype=a.dtype)


_OTHERS: dict[str, Callable[..., Any]] = {
    "clamp": _clamp,
    "convert_element_type": _convert,
    "cumsum": _cumsum,
    "iota": _iota,
    "reduce_max": _reduced(np.maximum),
    "reduce_min": _reduced(np.minimum),
    "reduce_sum": _reduced(np.add),
}
