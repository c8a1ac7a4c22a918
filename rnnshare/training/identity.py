"""Who a value is: descriptions and digests that say the same in every process.

A row of a study is recognised by the key of what made it. Two things follow. Values
that differ must be described differently, so nothing is described by a name that two
may have, nor by a `repr` that shows an address. And a description outlasts the process,
the machine, and the module that a class or function lives in: these go by their public
names, and what stands at its default is left out.
"""

import dataclasses
import functools
import hashlib
import inspect
import json
import math
import types
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import Origin, Task
from rnnshare.training.names import WAY_OUT, Call, public_name, shown

_SCALAR_TYPE: type = type(jnp.float32)


def describe(value: Any) -> Any:
    """Returns a canonical description of a value, as JSON holds it.

    Numbers that are equal are described alike, Python's, NumPy's and JAX's; so are a
    list and a tuple, and `functools.partial` and `Call`. Classes and functions go by
    their public names, instances of frozen dataclasses by their class and the fields
    that are not at their default, arrays by a digest, and a task that knows its origin
    by that.

    Raises:
      TypeError: of what it is, for anything else.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.dtype | _SCALAR_TYPE) or _is_subclass(value, np.generic):
        return {"dtype": jnp.dtype(value).name}
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _describe_float(value)
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return _describe_array(value)
    if isinstance(value, Task) and value.origin is not None:
        return _describe_origin(value.origin)
    if isinstance(value, functools.partial | Call):
        return _describe_call(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if not value.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise TypeError(f"{value!r} is a dataclass that may change. {WAY_OUT}")
        return {"class": public_name(type(value)), "fields": describe_fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _describe_named_tuple(value)
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, Mapping):
        pairs = [[describe(key), describe(item)] for key, item in value.items()]
        return {"dict": sorted(pairs, key=_canonical)}
    if isinstance(value, types.MethodType) and not isinstance(value.__self__, type):
        return {"method": value.__name__, "of": describe(value.__self__)}
    if not callable(value):
        raise TypeError(f"{value!r} cannot be described. {WAY_OUT}")
    return {"name": public_name(value)}


def describe_fields(value: Any, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """Returns the descriptions of a dataclass's fields that are not at their default.

    Args:
      value: an instance.
      leave_out: names of fields that are not to be described.
    """
    fields = [f for f in dataclasses.fields(value) if f.name not in leave_out]
    defaults = {}
    for field in fields:
        if field.default is not dataclasses.MISSING:
            defaults[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            defaults[field.name] = field.default_factory()
    given = {field.name: getattr(value, field.name) for field in fields}
    return _but_defaults(type(value).__name__, given, defaults)


def key_of(*values: Any) -> str:
    """Returns the digest of some values' descriptions, 20 hexadecimal digits."""
    return key_of_described(describe(values))


def key_of_described(description: Any) -> str:
    """Returns `key_of` of the values that `describe` has made a description of."""
    return _digest(_canonical(description).encode())[:20]


def _but_defaults(
    owner: str, given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the descriptions of what is given, but of what is as by default."""
    described = {}
    for name, value in given.items():
        if name in defaults and value is defaults[name]:
            continue
        try:
            found = describe(value)
        except TypeError as error:
            raise TypeError(f"{owner}.{name}: {error}") from None
        # As text, since True is no 1 here.
        if name not in defaults or _canonical(found) != _canonical(
            describe(defaults[name])
        ):
            described[name] = found
    return described


def _describe_float(value: float) -> Any:
    if not math.isfinite(value):
        return {"float": str(float(value))}
    return int(value) if value.is_integer() else float(value)


def _describe_array(value: Any) -> Any:
    if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        return {"key": describe(jax.random.key_data(value))}
    array = np.asarray(jax.device_get(value))
    if array.dtype.hasobject:
        raise TypeError(f"{value!r} holds objects, not numbers. {WAY_OUT}")
    if array.ndim == 0 and isinstance(array.item(), bool | int | float):
        return describe(array.item())
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    return {
        "array": _digest(little.tobytes()),
        "dtype": array.dtype.name,
        "shape": list(array.shape),
    }


def _describe_named_tuple(value: Any) -> Any:
    given = dict(zip(value._fields, value, strict=True))
    fields = _but_defaults(type(value).__name__, given, value._field_defaults)
    return {"class": public_name(type(value)), "fields": fields}


def _describe_call(value: Any) -> Any:
    function, args, keywords = value.func, value.args, dict(value.keywords)
    if isinstance(function, functools.partial | Call):
        args = (*function.args, *args)
        keywords = {**function.keywords, **keywords}
        return _describe_call(functools.partial(function.func, *args, **keywords))
    if not args and not keywords:
        return describe(function)
    return {
        "call": describe(function),
        "args": describe(args),
        "kwargs": _but_defaults(shown(function), keywords, {}),
    }


def _describe_origin(origin: Origin) -> Any:
    name = public_name(origin.function)
    parameters = inspect.signature(origin.function).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return {
        "made by": name,
        "source": origin.source,
        "kwargs": _but_defaults(name, origin.arguments, defaults),
    }


def _is_subclass(value: Any, kind: type) -> bool:
    return isinstance(value, type) and issubclass(value, kind)


def _canonical(description: Any) -> str:
    return json.dumps(
        description, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
